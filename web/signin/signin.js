// The page's user: signs people in, keeps their token valid, signs them out.

import { SignInError } from "./error.js";
import { keep, kept } from "./kept.js";
import { Provider } from "./provider.js";
import { guestToken, HOME, invitedToken, localToken, settings } from "./server.js";
import { claimsOf, endOfFresh, nameIn } from "./token.js";

export { SignInError };

const KEPT = "kept";
// A token is renewed when less than this share of its life is left; the SDK asks at a quarter.
const SHARE = 1 / 3;

/**
 * Signs people in. `change` is called whenever `user` or `error` changes.
 *
 * Kept values: `{way, token, name, subject, begun, ends, refresh, secret}`, times in milliseconds of
 * this machine's clock, `refresh` only from a provider that gives one, `secret` only of an invitation.
 */
export class SignIn extends EventTarget {
  #config;
  #provider;
  #kept = null;
  #error = null;
  #renewal = null;

  /** Use `SignIn.open()`. */
  constructor(config) {
    super();
    this.#config = config;
    this.#provider = config.oidc && new Provider(config.oidc);
  }

  /**
   * Asks the server for the ways to sign in and takes up the values that this tab has kept. If the
   * address has the answer to a sign-in, finishes the sign-in and cleans the address. Once per page,
   * before anything reads `location`. Rejects `unreachable`.
   */
  static async open() {
    const signin = new SignIn(await settings());
    signin.#kept = kept(KEPT);
    await signin.#finish();
    return signin;
  }

  /** The answer of `/v1/page.json`. */
  get config() {
    return this.#config;
  }

  /** The ways to offer: `{provider, name, token}`. */
  get ways() {
    return Object.freeze({ provider: !!this.#provider, name: this.#config.local, token: true });
  }

  /** `{way: "provider" | "name" | "token" | "guest" | "invited", name}`, or null. */
  get user() {
    return this.#kept && Object.freeze({ way: this.#kept.way, name: this.#kept.name });
  }

  /** When the token at hand ends, or null. */
  get expires() {
    return this.#kept && new Date(this.#kept.ends);
  }

  /** Why the last sign-in or its answer failed, or null. */
  get error() {
    return this.#error;
  }

  /** Leaves for the provider. Never resolves; rejects `provider`, or `denied` (the back button). */
  async withProvider() {
    if (!this.#provider) throw new SignInError("provider");
    return this.#provider.begin(location.hash);
  }

  /** Signs in by name. Rejects `name`, `rate_limited`, `refused`, `unreachable`. */
  async withName(name) {
    this.#take(await named(name));
  }

  /** Signs in as a guest of the event behind `code`. Rejects as `withName`, and `closed_door`. */
  async asGuest(code, name) {
    const found = await guestToken(code, name);
    this.#take(given("guest", found));
  }

  /** Signs in as the person whose invitation this is. Rejects `closed_door`, `rate_limited`, `unreachable`. */
  async withInvitation(secret) {
    this.#take({ ...given("invited", await invitedToken(secret)), secret });
  }

  /** Signs in with a token from elsewhere. Rejects `malformed`, `expired`. */
  async withToken(text) {
    const token = text.trim().replace(/^Bearer\s+/i, "");
    const claims = claimsOf(token);
    const ends = claims.exp * 1000;
    if (ends <= Date.now()) throw new SignInError("expired");
    this.#take(made("token", token, claims, ends));
  }

  /**
   * A token that is valid for a while. Rejects `expired` if only a new sign-in helps, and then signs out;
   * `provider` and `unreachable` if it may work later.
   */
  async token() {
    const held = this.#kept;
    if (!held) throw this.#error ?? new SignInError("expired");
    if (held.ends - Date.now() > (held.ends - held.begun) * SHARE) return held.token;
    return (this.#renewal ??= this.#settled(held));
  }

  /** Forgets the user, and has the provider forget the refresh token, if it can. */
  out() {
    const held = this.#kept;
    this.#take(null);
    if (held?.refresh) this.#provider?.revoke(held.refresh);
  }

  /**
   * The same, and leaves for the provider's endpoint that ends its own session, if there is one and no
   * user has signed in again by then. Rejects `provider` if that cannot be known, or `denied` (the back
   * button). The user is signed out in any case.
   */
  async outAtProvider() {
    const held = this.#kept;
    this.out();
    if (held?.way === "provider" && this.#provider) await this.#provider.end(() => !this.#kept);
  }

  /** The server does not accept the token. */
  refused() {
    this.#take(null, new SignInError("refused"));
  }

  /** The server says that the token at hand has ended, even if the clock here differs. */
  ended() {
    // The same object: a renewal that is on its way is still this one's.
    if (this.#kept) this.#kept.ends = Math.min(this.#kept.ends, Date.now());
  }

  async #finish() {
    const query = new URLSearchParams(location.search);
    if (!query.has("state") || !(query.has("code") || query.has("error"))) return;
    let fragment = location.hash;
    try {
      if (!this.#provider) throw new SignInError("state");
      const found = await this.#provider.finish(query);
      fragment = found.fragment;
      this.#take(provided(found));
    } catch (error) {
      fragment = error.fragment ?? fragment;
      // An old answer, by a reload or a bookmark, does not matter to somebody who is signed in.
      if (!(error.code === "state" && this.#kept)) this.#take(null, error);
    }
    history.replaceState(history.state, "", HOME.pathname + fragment);
  }

  /** A renewal of `held`, until it has come, or the user is another one. */
  #settled(held) {
    const renewal = this.#renewed(held).finally(() => {
      if (this.#renewal === renewal) this.#renewal = null;
    });
    return renewal;
  }

  /** A new token in place of `held`; while `held` is good, a failure does not matter. */
  async #renewed(held) {
    try {
      const found = await this.#successor(held);
      if (this.#kept !== held) {
        // It came too late to be signed out with the one before it.
        if (found.refresh) this.#provider.revoke(found.refresh);
        return await this.#another();
      }
      this.#take(found);
      return found.token;
    } catch (error) {
      if (this.#kept !== held) return this.#another();
      if (held.ends > Date.now()) return held.token;
      if (error.code === "expired" || error.code === "refused") {
        this.#take(null, new SignInError("expired", { cause: error }));
        throw this.#error;
      }
      throw error;
    }
  }

  /** The user signed out, or in again, while a renewal came: use their own token, never this renewal's. */
  #another() {
    this.#renewal = null;
    return this.token();
  }

  async #successor(held) {
    if (held.way === "name") return named(held.name);
    if (held.way === "invited") return { ...given("invited", await invitedToken(held.secret)), secret: held.secret };
    if (held.way === "provider" && held.refresh && this.#provider)
      return provided(await this.#provider.renew(held.refresh, held.subject));
    throw new SignInError("expired");
  }

  #take(found, error = null) {
    this.#kept = found;
    this.#error = error;
    keep(KEPT, found);
    this.dispatchEvent(new Event("change"));
  }
}

async function named(name) {
  const found = await localToken(name);
  const claims = claimsOf(found.token);
  return { ...made("name", found.token, claims, endOfFresh(claims)), name: found.name };
}

/** The server's own token for a guest or an invited person. */
function given(way, { token, name }) {
  const claims = claimsOf(token);
  return { ...made(way, token, claims, endOfFresh(claims)), name };
}

function provided({ token, refresh, claims }) {
  return { ...made("provider", token, claims, endOfFresh(claims)), refresh };
}

function made(way, token, claims, ends) {
  return { way, token, name: nameIn(claims), subject: claims.sub, begun: Date.now(), ends };
}
