// 한국어 문구: 다가오는 시작과 끝, 아직 하지 않은 투표를 알리는 말.

export default {
  "remind.me": "알림 받기",
  "remind.on": "알림 켜짐",
  "remind.hint": "이 화면이 열려 있는 동안 하루, 한 시간, 10분, 1분 전에 브라우저가 알려 줍니다.",
  "remind.refused": "이 브라우저는 이 화면의 알림을 보여 주지 않습니다. 다가오는 일은 여기에서 계속 알려 드립니다.",
  "remind.starts": "{span} 뒤에 시작합니다.",
  "remind.ends": "{span} 뒤에 끝납니다.",
  "remind.closes": { other: "아직 투표하지 않은 제안 {count}개가 {span} 뒤에 마감됩니다." },
  "remind.no_ballot": "아직 최종 투표를 하지 않았습니다.",
  "remind.no_votes": { other: "열린 제안 {count}개에 투표하지 않았습니다." },
  "remind.given": { other: "{members}명 중 {count}명이 최종 투표를 했습니다." },
  "remind.to_ballot": "최종 투표로",
  "remind.to_proposal": "보기",

  // 관리자: 보낼 글
  "remind.others": "다른 사람에게 알리기",
  "remind.title": "“{subject}” 알림 글",
  "remind.says": "모임의 대화방에 붙여 넣으세요. 몇 명이 남았는지 적혀 있고, 표시하면 이름도 적힙니다.",
  "remind.says.number": "모임의 대화방에 붙여 넣으세요. 몇 명이 남았는지만 적혀 있습니다. 이름을 적으면 누가 어떻게 투표했는지 드러납니다.",
  "remind.says.nothing": "모임의 대화방에 붙여 넣으세요. 누가, 몇 명이 남았는지는 적혀 있지 않습니다. 적으면 지금의 표수가 드러납니다.",
  "remind.all": "모두 투표했습니다.",
  "remind.names.tick": { other: "이름 {count}개도 적기" },
  "remind.copy": "알림 글 복사",
  "remind.text.ballot": "“{subject}”: 최종 투표를 해 주세요.",
  "remind.text.proposal": "“{subject}”: 투표해 주세요. {what}",
  "remind.text.ballots": { other: "{of}명 중 {count}명이 아직 최종 투표를 하지 않았습니다." },
  "remind.text.votes": { other: "{of}명 중 {count}명이 아직 투표하지 않았습니다." },
  "remind.text.names": "남은 사람: {names}",
  "remind.text.until": "{moment}까지",
};
