// The table of docs/permissions.md; a test compares it with the server's own table. It only decides which
// controls the page offers. The server decides each command, under the event's lock.

const ALL = ["not_started", "in_progress", "paused", "finished"];
const LIVE = ["not_started", "in_progress", "paused"];
const BEFORE = ["not_started"];
const RUNNING = ["in_progress"];
const STARTED = ["in_progress", "paused"];

const rule = (who, statuses) => ({ who, statuses });
const direct = rule("admin", BEFORE);

export const PERMISSIONS = {
  "event.create": rule("anyone", ALL),
  "event.update": rule("admin", LIVE),
  "event.set_policy": rule("admin", LIVE),
  "event.rotate_code": rule("admin", LIVE),
  "event.start": rule("admin", ALL),
  "event.pause": rule("admin", ALL),
  "event.resume": rule("admin", ALL),
  "event.finish": rule("admin", ALL),
  "event.reopen": rule("admin", ALL),
  "option.add": direct,
  "option.edit": direct,
  "option.remove": direct,
  "assumption.add": direct,
  "assumption.edit": direct,
  "assumption.remove": direct,
  "criterion.add": direct,
  "criterion.edit": direct,
  "criterion.remove": direct,
  "membership.join": rule("anyone", ALL),
  "membership.cancel": rule("anyone", ALL),
  "membership.leave": rule("anyone", ALL),
  "membership.approve": rule("admin", LIVE),
  "membership.reject": rule("admin", LIVE),
  "membership.remove": rule("admin", LIVE),
  "membership.approve_all": rule("admin", LIVE),
  "membership.reject_all": rule("admin", LIVE),
  "membership.add": rule("admin", LIVE),
  "membership.set_role": rule("admin", ALL),
  "membership.rename": rule("member", LIVE),
  "invitation.create": rule("admin", LIVE),
  "invitation.revoke": rule("admin", LIVE),
  "proposal.create": rule("member", RUNNING),
  "proposal.withdraw": rule("member", STARTED),
  "proposal.rebase": rule("member", RUNNING),
  "proposal.accept": rule("admin", STARTED),
  "proposal.reject": rule("admin", STARTED),
  "proposal.moderate": rule("admin", STARTED),
  "proposal.revert": rule("admin", STARTED),
  "vote.cast": rule("voter", RUNNING),
  "vote.retract": rule("voter", RUNNING),
  "ballot.submit": rule("voter", RUNNING),
  "ballot.clear": rule("voter", RUNNING),
  "comment.add": rule("member", LIVE),
  "comment.edit": rule("member", LIVE),
  "comment.remove": rule("member", LIVE),
};

/** An event's transitions, from status to status. */
export const TRANSITIONS = {
  "event.start": BEFORE,
  "event.pause": RUNNING,
  "event.resume": ["paused"],
  "event.finish": STARTED,
  "event.reopen": ["finished"],
};

/** Whether `role` may do what admins may: an organiser may, and has no vote. */
export const leads = (role) => role === "admin" || role === "organiser";

/** Whether somebody with `role` may ask for `command` while the event is in `status`. */
export function may(command, role, status) {
  const { who, statuses } = PERMISSIONS[command];
  if (who === "admin" && !leads(role)) return false;
  if (who === "voter" && role === "organiser") return false;
  if ((who === "member" || who === "voter") && !role) return false;
  return statuses.includes(status) && (TRANSITIONS[command]?.includes(status) ?? true);
}
