// Why something was refused, in the page's language: the SDK's words.

import { explain } from "../sdk/words.js";
import { currentLanguage } from "./words.js";

/** One sentence for an `AyesError`. `name(user)` gives a name if the page knows it. */
export const reason = (error, name) => explain(error, currentLanguage(), { name });
