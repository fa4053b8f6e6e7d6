// Texts in English: reminders of a start or an end that comes near, and of votes that are missing.

export default {
  "remind.me": "Remind me",
  "remind.on": "Reminders are on",
  "remind.hint": "The browser reminds you a day, an hour, ten minutes and one minute before, while this page is open.",
  "remind.refused": "This browser shows no notifications for this page. What comes near is still told here.",
  "remind.starts": "Starts in {span}.",
  "remind.ends": "Ends in {span}.",
  "remind.closes": { one: "In {span} a proposal closes that you have not voted on.", other: "In {span} {count} proposals close that you have not voted on." },
  "remind.no_ballot": "You have not given a ballot yet.",
  "remind.no_votes": { one: "You have not voted on {count} open proposal.", other: "You have not voted on {count} open proposals." },
  "remind.given": { one: "{count} of {members} has given a ballot.", other: "{count} of {members} have given a ballot." },
  "remind.to_ballot": "To the ballot",
  "remind.to_proposal": "Show it",

  // For admins: a text to send
  "remind.others": "Remind the others",
  "remind.title": "A reminder for “{subject}”",
  "remind.says": "Copy it to where your group talks. It says how many are missing; with the tick, also who.",
  "remind.says.number": "Copy it to where your group talks. It says how many are missing, and not who: here that would show how somebody voted.",
  "remind.says.nothing": "Copy it to where your group talks. It says neither who is missing nor how many: here that would show how it stands.",
  "remind.all": "Everybody has voted.",
  "remind.names.tick": { one: "With the name", other: "With the {count} names" },
  "remind.copy": "Copy the reminder",
  "remind.text.ballot": "“{subject}”: please give your ballot.",
  "remind.text.proposal": "“{subject}”: please vote. {what}",
  "remind.text.ballots": { one: "{count} of {of} has not given a ballot yet.", other: "{count} of {of} have not given a ballot yet." },
  "remind.text.votes": { one: "{count} of {of} has not voted yet.", other: "{count} of {of} have not voted yet." },
  "remind.text.names": "Missing: {names}.",
  "remind.text.until": "Until {moment}",
};
