// Signing in with an OpenID Connect provider: authorization code with PKCE (RFC 9700, OpenID Connect
// Core 1.0), as a public client. The protocol itself is oauth4webapi's.

import { SignInError } from "./error.js";
import { isLost, keep, kept } from "./kept.js";
import { HOME } from "./server.js";

// The longest time at the provider; its own codes and forms live no longer.
const MAX_VISIT_MS = 30 * 60_000;
const ANSWER_MS = 10_000;
// How far this machine's clock may be off: the server judges the token, by a better clock.
const CLOCK_TOLERANCE_S = 600;
const ASKED = "asked";
// Answers that mean a refusal (RFC 6749, 4.1.2.1; OpenID Connect Core 1.0, 3.1.2.6); others mean a
// failure.
const NO = new Set([
  "access_denied", "account_selection_required", "consent_required", "interaction_required", "login_required",
]);

/** The provider of `/v1/page.json`'s `oidc`. Rejections are SignInErrors. */
export class Provider {
  #config;
  #ready = null;

  constructor(config) {
    this.#config = config;
  }

  /**
   * Leaves the page for the provider's; it comes back with an answer for `finish`. `fragment` is the
   * place in the page. Never resolves; rejects `denied` if the person comes back by the back button.
   */
  async begin(fragment) {
    const { oauth, server, client } = await this.#open();
    const asked = {
      state: oauth.generateRandomState(),
      nonce: oauth.generateRandomNonce(),
      verifier: oauth.generateRandomCodeVerifier(),
      fragment,
      at: Date.now(),
    };
    const url = new URL(server.authorization_endpoint);
    const parameters = {
      client_id: client.client_id,
      redirect_uri: HOME.href,
      response_type: "code",
      scope: this.#scopes(server),
      code_challenge: await oauth.calculatePKCECodeChallenge(asked.verifier),
      code_challenge_method: "S256",
      state: asked.state,
      nonce: asked.nonce,
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    keep(ASKED, asked);
    // The answer could not be recognised.
    if (isLost()) throw new SignInError("storage");
    return leave(url);
  }

  /**
   * Exchange the answer in `query` at the provider: `{token, refresh, claims, fragment}`. The answer is
   * good once.
   */
  async finish(query) {
    const asked = kept(ASKED);
    if (!asked || asked.state !== query.get("state")) throw new SignInError("state");
    keep(ASKED, null);
    const late = Date.now() - asked.at > MAX_VISIT_MS;
    const found = late ? new SignInError("state") : await this.#trade(query, asked).catch(told);
    if (found instanceof SignInError) throw Object.assign(found, { fragment: asked.fragment });
    return { ...found, fragment: asked.fragment };
  }

  async #trade(query, asked) {
    const { oauth, server, client, options } = await this.#open();
    const answer = oauth.validateAuthResponse(server, client, query, asked.state);
    const response = await oauth.authorizationCodeGrantRequest(
      server, client, oauth.None(), answer, HOME.href, asked.verifier, options(),
    );
    const result = await oauth.processAuthorizationCodeResponse(server, client, response, {
      expectedNonce: asked.nonce,
      requireIdToken: true,
    });
    return taken(oauth, result);
  }

  /**
   * A new token: `{token, refresh, claims}`. Rejects `expired` if only a new sign-in helps, `provider` if
   * it may work later. `subject` is the expected person.
   */
  async renew(refresh, subject) {
    let found;
    try {
      const { oauth, server, client, options } = await this.#open();
      const response = await oauth.refreshTokenGrantRequest(
        server, client, oauth.None(), refresh, options(),
      );
      found = taken(oauth, await oauth.processRefreshTokenResponse(server, client, response));
    } catch (cause) {
      const refused = cause?.error === "invalid_grant" || cause?.error === "unauthorized_client";
      throw new SignInError(refused ? "expired" : "provider", { cause });
    }
    // A provider need not give an ID token here, and must not give another person's (Core 1.0, 12.2).
    if (!found.token || found.claims.sub !== subject) throw new SignInError("expired");
    return { ...found, refresh: found.refresh ?? refresh };
  }

  /**
   * Revokes `refresh` at the provider (OAuth 2.0 Token Revocation, RFC 7009), if it has an endpoint for
   * that. Never rejects: the person is signed out here already. The request is sent even if the page is
   * left or closed meanwhile.
   */
  async revoke(refresh) {
    try {
      const { oauth, server, client, options } = await this.#open();
      if (!server.revocation_endpoint) return;
      const response = await oauth.revocationRequest(server, client, oauth.None(), refresh, {
        ...options(),
        additionalParameters: { token_type_hint: "refresh_token" },
        [oauth.customFetch]: (url, request) => fetch(url, { ...request, keepalive: true }),
      });
      await oauth.processRevocationResponse(response);
    } catch {
      // The token ends by itself, in the provider's time.
    }
  }

  /**
   * Goes to the provider's endpoint that ends its own session (OpenID Connect RP-Initiated Logout 1.0).
   * Resolves to false if there is no such endpoint, or if `wanted()` is false once that is known.
   *
   * No token goes along as a hint: it would stay in the browser's history, valid for the next user. So
   * the provider may ask for confirmation.
   */
  async end(wanted) {
    const { server, client } = await this.#open();
    if (!server.end_session_endpoint || !wanted()) return false;
    const url = new URL(server.end_session_endpoint);
    url.searchParams.set("client_id", client.client_id);
    url.searchParams.set("post_logout_redirect_uri", HOME.href);
    return leave(url);
  }

  /** The library and the provider's own description, loaded once; again after a failure. */
  #open() {
    this.#ready ??= this.#discover().catch((cause) => {
      this.#ready = null;
      throw new SignInError("provider", { cause });
    });
    return this.#ready;
  }

  async #discover() {
    // Most people are signed in already, or by name, and do not need it.
    const oauth = await import("../vendor/oauth4webapi/oauth4webapi.js");
    const issuer = new URL(this.#config.issuer);
    const options = () => ({
      signal: AbortSignal.timeout(ANSWER_MS),
      // The server takes such an issuer on the loopback only.
      [oauth.allowInsecureRequests]: issuer.protocol === "http:",
    });
    const response = await oauth.discoveryRequest(issuer, options());
    const server = await oauth.processDiscoveryResponse(issuer, response);
    const client = {
      client_id: this.#config.client_id,
      token_endpoint_auth_method: "none",
      [oauth.clockTolerance]: CLOCK_TOLERANCE_S,
    };
    return { oauth, server, client, options };
  }

  /** The wanted scopes; if the provider lists its own, only those it knows. */
  #scopes(server) {
    const known = server.scopes_supported;
    const wanted = this.#config.scopes.split(/\s+/).filter(Boolean);
    if (!Array.isArray(known)) return wanted.join(" ");
    return wanted.filter((scope) => scope === "openid" || known.includes(scope)).join(" ");
  }
}

function taken(oauth, result) {
  return {
    token: result.id_token ?? null,
    refresh: result.refresh_token ?? null,
    claims: oauth.getValidatedIdTokenClaims(result) ?? null,
  };
}

/** The SignInError for a failed answer. */
function told(cause) {
  if (cause instanceof SignInError) return cause;
  return new SignInError(NO.has(cause?.error) ? "denied" : "provider", { cause });
}

/** Goes to `url`; rejects if the person comes back to this very page as it was left. */
function leave(url) {
  return new Promise((_, reject) => {
    addEventListener("pageshow", () => reject(new SignInError("denied")), { once: true });
    location.assign(url);
  });
}
