// Words for errors: `explain(error, language)`.
export { explain, LANGUAGES } from "./src/words/explain.js";
