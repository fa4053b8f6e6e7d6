// Every text of the admin's page. `{name}` is replaced.

import { currentLanguage, number } from "../words.js";

const EN = {
  title: "Admin", sign_in: "Sign in", token: "Admin token", token_hint: "The value of AYES_ADMIN_TOKEN. It is kept in this tab only.",
  sign_out: "Sign out", now: "Now", rooms: "Rooms", sockets: "Sockets", events: "Events", look_up: "Look up",
  event_or_code: "Event id or entrance code", user_id: "User id", find_event: "Find event", find_user: "Find user",
  streams: "HTTP streams", waiting: "Commands waiting", acked: "Acked", refused: "Refused", undecided: "Given up", retried: "Retried",
  nodes: "Nodes", here: "this one", since: "since {time}", local: "same machine", failing: "Failing now", all_well: "Nothing fails.",
  slow: "Slow transactions", none_slow: "None took longer than half a second.", busy: "Busiest events", none_busy: "No event has commands waiting.",
  commands: "commands: {count}", ms: "{count} ms", watching: "{count} watching", behind: "{count} steps behind", at: "at #{seq}",
  no_rooms: "Nobody watches a room on this node.", no_sockets: "No socket is open on this node.", unsent: "{count} bytes unsent", inflight: "{count} in flight",
  silent: "silent for {count} s", no_hello: "no hello yet", close: "Close", close_sure: "Close this socket? Its client comes back by itself.",
  yes: "Yes", no: "No", revoke: "Refuse tokens", revoke_sure: "Refuse every token that {user} has now, and close the sockets?",
  prune: "Prune now", prune_sure: "Delete final errors that are past their 96 hours? Steps are kept.", pruned: "{count} deleted.",
  closed: "Closed.", revoked: "Tokens issued before {time} are refused.", admins: "Admins", members: "Members", proposals: "Proposals", pending: "Pending",
  comments: "Comments", ballots: "Ballots", steps: "Last steps", not_here: "No room on this node.", memberships: "Events", not_found: "There is nothing of that name.",
  never_revoked: "no tokens were refused", bus_off: "Redis is away: rooms on other nodes lag.", draining: "This node is going away.", live: "Live", more: "More",
  wrong_token: "This is not the admin's token.", too_many: "Too many tries. Wait {count} s.", offline: "The server does not answer.", up: "up for {time}", none: "none",
  all: "{count} in all; the slowest readers first", status: "Status", seq: "Position", room: "Room",
  acting: "At work. It may take minutes.", type: "Type {word} to go on.",
  delete: "Delete event", delete_sure: "The event is exported to the server's folder, and then it is gone for everybody. This cannot be undone.",
  deleted: "Deleted. Its export is {path} on the server.", erase: "Erase words", erased: "{lines}",
  erase_sure: "The person's name and words go from all events; votes and totals stay. This cannot be undone. Refuse their tokens first.",
  erase_here: "Erase here", erase_here_sure: "The person's name and words go from this event; votes and totals stay. This cannot be undone.",
};

const KO = {
  title: "관리", sign_in: "로그인", token: "관리 토큰", token_hint: "AYES_ADMIN_TOKEN의 값입니다. 이 탭에만 보관됩니다.",
  sign_out: "로그아웃", now: "지금", rooms: "방", sockets: "소켓", events: "이벤트", look_up: "찾기",
  event_or_code: "이벤트 ID 또는 입장 코드", user_id: "사용자 ID", find_event: "이벤트 찾기", find_user: "사용자 찾기",
  streams: "HTTP 스트림", waiting: "대기 중인 명령", acked: "확인됨", refused: "거부됨", undecided: "포기함", retried: "재시도",
  nodes: "노드", here: "이 노드", since: "{time}부터", local: "같은 기계", failing: "지금 실패 중", all_well: "실패하는 것이 없습니다.",
  slow: "느린 트랜잭션", none_slow: "0.5초를 넘은 것이 없습니다.", busy: "가장 바쁜 이벤트", none_busy: "명령이 대기 중인 이벤트가 없습니다.",
  commands: "명령 {count}개", ms: "{count} ms", watching: "{count}명이 보는 중", behind: "{count}단계 뒤처짐", at: "#{seq}",
  no_rooms: "이 노드에서 보고 있는 방이 없습니다.", no_sockets: "이 노드에 열린 소켓이 없습니다.", unsent: "보내지 못한 {count}바이트", inflight: "처리 중 {count}개",
  silent: "{count}초 동안 조용함", no_hello: "아직 인사 없음", close: "닫기", close_sure: "이 소켓을 닫을까요? 클라이언트는 스스로 다시 연결합니다.",
  yes: "예", no: "아니요", revoke: "토큰 거부", revoke_sure: "{user}의 현재 토큰을 모두 거부하고 소켓을 닫을까요?",
  prune: "지금 정리", prune_sure: "96시간이 지난 최종 오류를 지울까요? 단계는 그대로 남습니다.", pruned: "{count}개를 지웠습니다.",
  closed: "닫았습니다.", revoked: "{time} 전에 발급된 토큰을 거부합니다.", admins: "관리자", members: "구성원", proposals: "제안", pending: "진행 중",
  comments: "댓글", ballots: "투표", steps: "마지막 단계", not_here: "이 노드에 방이 없습니다.", memberships: "이벤트", not_found: "그런 이름의 것이 없습니다.",
  never_revoked: "거부된 토큰 없음", bus_off: "Redis가 없습니다. 다른 노드의 방이 늦어집니다.", draining: "이 노드는 종료 중입니다.", live: "연결됨", more: "더 보기",
  wrong_token: "관리 토큰이 아닙니다.", too_many: "너무 많이 시도했습니다. {count}초 기다리세요.", offline: "서버가 응답하지 않습니다.", up: "{time} 동안 실행", none: "없음",
  all: "모두 {count}개, 가장 느린 것부터", status: "상태", seq: "위치", room: "방",
  acting: "작업 중입니다. 몇 분 걸릴 수 있습니다.", type: "계속하려면 {word}을(를) 입력하세요.",
  delete: "이벤트 삭제", delete_sure: "이벤트를 서버의 폴더로 내보낸 다음 모두에게서 삭제합니다. 되돌릴 수 없습니다.",
  deleted: "삭제했습니다. 내보낸 파일은 서버의 {path}입니다.", erase: "글 지우기", erased: "{lines}",
  erase_sure: "이 사람의 이름과 글이 모든 이벤트에서 사라집니다. 투표와 합계는 남습니다. 되돌릴 수 없습니다. 먼저 토큰을 거부하세요.",
  erase_here: "여기서 지우기", erase_here_sure: "이 사람의 이름과 글이 이 이벤트에서 사라집니다. 투표와 합계는 남습니다. 되돌릴 수 없습니다.",
};

const STRINGS = { en: EN, ko: KO };

/** The text under `key` in the reader's language. */
export function say(key, values = {}) {
  const text = STRINGS[currentLanguage()]?.[key] ?? EN[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? number(value) : String(value);
  });
}
