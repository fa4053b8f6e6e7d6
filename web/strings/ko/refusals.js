// 한국어 문구: 처리되지 않은 이유.

export { default } from "../../../sdk/src/words/ko.js";
