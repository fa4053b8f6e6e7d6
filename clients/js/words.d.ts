// Words for errors, in the languages of the page.

/** Languages that there are words in. */
export const LANGUAGES: readonly string[];

/**
 * One sentence for a person about an error: an `AyesError`, or any other. `language`: a tag such as `ko` or `ko-KR`;
 * English where there are no words in it. `name(user)` gives a user's name, if it is known.
 */
export function explain(
  error: unknown,
  language?: string,
  options?: { name?: (user: string) => string | undefined },
): string;
