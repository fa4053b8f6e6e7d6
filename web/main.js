// The page's entry point.

import { App } from "./app.js";
import { h, render } from "./render.js";
import { SignIn } from "./signin/signin.js";
import { preferredLanguage, setLanguage, t } from "./words.js";

setLanguage(preferredLanguage());
const root = document.getElementById("app");

/** Open the sign-in, for as long as it takes the server to be there. */
async function begin() {
  render(root, h("main", { class: "splash" }, h("p", { class: "loading" }, t("loading"))));
  try {
    const signin = await SignIn.open();
    new App(root, signin).start();
  } catch {
    render(root, h("main", { class: "splash" },
      h("h1", {}, t("unreachable.title")),
      h("p", {}, t("unreachable.text")),
      h("button", { class: "button primary", onclick: begin }, t("try_again"))));
  }
}

begin();
