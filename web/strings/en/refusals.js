// Texts in English: why something was not done.

export { default } from "../../../sdk/src/words/en.js";
