// The elements' own words.

const WORDS = {
  en: {
    nothing: "No event is named here.",
    entering: "…",
    unknown: "This proposal is not shown here.",
    agree: "{agree} of {eligible} agree",
    against: "{against} against",
    needed: "{needed} needed",
    never: "it cannot be carried any more",
    quorum: "{quorum} must take part",
    hidden: "how it stands is shown when it is decided",
    away: "not connected; this may be old",
    carried: "Carried",
    not: "Not carried",
    "not.withdrawn": "Withdrawn by its author",
    "not.moderated": "Taken down by an admin",
    "not.expired": "Not carried: its time ran out",
    "not.event_finished": "Not carried: the event finished",
    "vote.agree": "I agree",
    "vote.against": "I am against it",
    "vote.abstain": "I abstain",
    take_back: "You agree; take it back",
  },
  ko: {
    nothing: "회의가 지정되지 않았습니다.",
    entering: "…",
    unknown: "여기에 표시되지 않는 제안입니다.",
    agree: "{eligible}명 중 {agree}명 찬성",
    against: "반대 {against}명",
    needed: "{needed}명 필요",
    never: "더 이상 통과될 수 없습니다",
    quorum: "{quorum}명 이상 참여해야 합니다",
    hidden: "현황은 결정될 때 공개됩니다",
    away: "연결되지 않아 최신이 아닐 수 있습니다",
    carried: "통과되었습니다",
    not: "통과되지 않았습니다",
    "not.withdrawn": "제안자가 철회했습니다",
    "not.moderated": "관리자가 내렸습니다",
    "not.expired": "기한이 지나 통과되지 않았습니다",
    "not.event_finished": "회의가 끝나 통과되지 않았습니다",
    "vote.agree": "찬성",
    "vote.against": "반대",
    "vote.abstain": "기권",
    take_back: "찬성했습니다. 철회",
  },
};

/** The text under `key` in a language, or in English; undefined if there is none. */
export function say(key, language, values = {}) {
  const tag = String(language).split("-")[0];
  const words = Object.hasOwn(WORDS, tag) ? WORDS[tag] : WORDS.en;
  return (words[key] ?? WORDS.en[key])?.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
