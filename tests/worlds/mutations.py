"""The safety mechanisms, each with a way to switch it off; for tests only.

The simulation is worth its name if none of these can be removed unnoticed. Each is named with
what goes wrong without it and with the schedules that show it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.worlds.mutants import dynamodb, reading, reading_files, recorder, submitting
from tests.worlds.mutants import lateness as late
from tests.worlds.mutants import ledger as entry
from tests.worlds.mutants import places as placing
from tests.worlds.mutants import planner as planning
from tests.worlds.mutants import restoring as copying
from tests.worlds.mutants import room as limits
from tests.worlds.mutants import store as storing
from tests.worlds.mutants import time_limits as timing
from tests.worlds.schedules import (
    Schedule,
    answers,
    edits,
    files,
    lateness,
    overwritten,
    people,
    places,
    recording,
    restoring,
    room,
    rules,
    sealing,
    sending,
    table,
    time_limits,
)

SwitchOff = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Mutation:
    """One mechanism."""

    name: str
    without_it: str
    switch_off: SwitchOff
    shown_by: tuple[Schedule, ...]
    store: str = "sqlite"

    def row(self) -> str:
        """As docs/proof.md shows it, up to the seed."""
        schedules = ", ".join(f"`{schedule.__name__}`" for schedule in self.shown_by)
        return f"| {self.name} | {self.without_it} | {schedules} |"


MUTATIONS = (
    # Sealing
    Mutation(
        "a group is sealed as it was read, or not at all",
        "usage recorded while a job plans is covered by an entry that does not bill it",
        storing.take_groups_that_grew,
        (sealing.usage_that_comes_while_a_job_plans,),
    ),
    Mutation(
        "a book has a version, compared and set",
        "two jobs give one hour to both identities, and AWS bills both",
        storing.ignore_the_version,
        (sealing.two_jobs_that_read_the_same_book,),
    ),
    Mutation(
        "usage in a live entry is in no other",
        "a stale job takes usage out of an entry that will be billed, and bills it again",
        storing.take_usage_of_live_entries,
        (sealing.usage_that_an_entry_holds_is_never_taken,),
    ),
    Mutation(
        "the store holds one live entry of a window",
        "a second entry of the window is a duplicate to AWS: its usage is never billed",
        storing.allow_two_entries_of_a_window,
        (sealing.a_window_is_sealed_once,),
    ),
    Mutation(
        "the planner leaves sealed windows alone",
        "late usage is planned into a window that was billed, and never leaves",
        planning.forget_sealed_windows,
        (sealing.late_usage_leaves_a_sealed_window_alone,),
    ),
    Mutation(
        "an hour belongs to one identity",
        "AWS bills a buyer's hour by product code and by licence: twice",
        planning.forget_identities,
        (sealing.one_hour_under_both_identities,),
    ),
    Mutation(
        "closed hours only",
        "the rest of an hour finds its window taken and slides into later hours",
        planning.seal_open_hours,
        (sealing.an_hour_that_is_not_over,),
    ),
    Mutation(
        "carried usage stays in its month",
        "usage of November is billed in December",
        planning.forget_months,
        (sealing.late_usage_stays_in_its_month,),
    ),
    Mutation(
        "a window has a cap",
        "a window above what AWS can take is never accepted",
        planning.forget_the_cap,
        (sealing.more_than_one_window_can_bill,),
    ),
    Mutation(
        "usage that AWS takes no tags for is billed without them",
        "the surplus waits for a window for ever, more of it every hour, and nobody is told",
        planning.carry_what_has_too_many_tags,
        (rules.more_sets_of_tags_than_aws_takes, rules.more_keys_of_tags_than_aws_takes),
    ),
    Mutation(
        "usage of a licence that is another product code's is refused",
        "its book wants what it cannot have: the usage is pending for ever, and nobody is told",
        planning.forget_whose_licences_are,
        (rules.a_licence_under_two_product_codes,),
    ),
    Mutation(
        "a licence is claimed before its entries are stored",
        "it fills one hour in two books, and AWS bills one of them: the other passes for billed",
        storing.claim_no_licence,
        (rules.a_licence_under_two_product_codes, rules.two_jobs_that_seal_one_licence),
    ),
    Mutation(
        "a licence that was given away fills only hours that its old owner cannot",
        "one hour is in two books, and AWS bills one of them: the other passes for billed",
        planning.fill_the_hours_of_the_old_owner,
        (
            rules.a_licence_that_is_given_to_another_product_code,
            rules.a_licence_that_is_given_away_while_a_job_plans,
        ),
    ),
    Mutation(
        "a licence that was given away is looked at again",
        "a job whose clock is ahead has filled an hour meanwhile, and it is in two books",
        planning.look_once_whose_hours_are_filled,
        (rules.a_licence_that_is_given_away_while_a_clock_is_ahead,),
    ),
    Mutation(
        "an entry that follows a released one has a name of its own",
        "the window can never be sealed again",
        planning.forget_serials,
        (sealing.a_window_that_was_given_back_is_sealed_again,),
    ),
    # Late usage
    Mutation(
        "usage is late if it was recorded late",
        "what the ledger delayed is refused or held",
        late.take_all_for_late,
        (
            lateness.usage_after_a_run_within_its_hour,
            lateness.usage_of_days_without_a_run,
        ),
    ),
    Mutation(
        "what is new of an hour that was looked through was recorded late",
        "late usage is billed although the setting forbids it",
        late.take_nothing_for_late,
        (
            lateness.usage_after_a_run_within_its_hour,
            lateness.usage_that_an_outage_delayed,
        ),
    ),
    Mutation(
        "an hour is looked through when it and its grace are over",
        "usage that comes while a run reads is refused",
        late.see_hours_that_are_not_over,
        (lateness.usage_that_comes_while_a_run_reads,),
    ),
    Mutation(
        "a run says how far it looked when it has come to its end",
        "what a killed run has read is refused by the next one",
        late.speak_before_the_end,
        (lateness.a_run_that_is_killed_has_seen_nothing,),
    ),
    Mutation(
        "a run that leaves a book to others says nothing",
        "what it could not store is refused by the next one",
        late.give_books_up_in_silence,
        (lateness.a_run_that_left_a_book_to_others_has_not_seen_it,),
    ),
    Mutation(
        "what waits for a window is still to be looked through",
        "usage that waits for the next hour is refused in it",
        late.overlook_what_waits,
        (lateness.usage_after_a_run_within_its_hour,),
    ),
    Mutation(
        "a look ahead of the clock does not count",
        "a clock that was hours ahead has usage refused that is on time",
        late.believe_every_clock,
        (lateness.a_run_whose_clock_is_hours_ahead,),
    ),
    Mutation(
        "a clock that is behind takes no look away",
        "late usage that is held is billed after it",
        late.let_each_clock_overrule,
        (lateness.a_run_whose_clock_is_hours_behind,),
    ),
    Mutation(
        "what an entry gave back was on time",
        "what an outage delayed is refused or held",
        late.forget_what_was_given_back,
        (lateness.usage_that_an_outage_delayed,),
    ),
    Mutation(
        "a correction of what was given back is on time",
        "usage that AWS refused is refused once more when it is right",
        late.correct_as_if_new,
        (lateness.usage_that_is_repaired_after_its_window,),
    ),
    # Time
    Mutation(
        "what is due is sent before what has expired is settled",
        "a function is killed while it settles, again and again, and nothing is ever sent",
        timing.settle_before_sending,
        (time_limits.a_processor_that_is_killed_while_it_settles_what_expired,),
    ),
    Mutation(
        "what has expired is settled in steps that look at the clock",
        "a function is killed in the middle, and its queue stands still until SQS gives up on it",
        timing.settle_without_a_look_at_the_clock,
        (time_limits.a_processor_whose_time_is_over_while_it_settles,),
    ),
    Mutation(
        "alarms are told and confirmed page by page",
        "a function that is killed tells all of them again, and is killed again",
        timing.tell_all_at_once,
        (time_limits.alarms_for_more_than_there_is_time,),
    ),
    # Room
    Mutation(
        "a book that cannot be stored costs only itself",
        "no buyer is billed while one book is too large",
        limits.fail_for_every_book,
        (room.a_book_that_cannot_be_stored,),
    ),
    Mutation(
        "people are told of a book that cannot be stored",
        "its usage waits until its time is over, and nobody knows",
        limits.tell_nobody,
        (room.a_book_that_cannot_be_stored,),
    ),
    Mutation(
        "they are told once a day",
        "an alarm every hour, or with every run, hides the others",
        limits.tell_with_every_run,
        (room.a_book_that_cannot_be_stored,),
    ),
    Mutation(
        "a run that could not store a book has not seen everything",
        "usage that waits for room is refused as late",
        limits.forget_what_was_not_stored,
        (room.usage_that_waited_for_room,),
    ),
    # Sending
    Mutation(
        "the stamp is frozen",
        "a resend is another record to AWS: billed twice",
        submitting.stamp_when_sent,
        (sending.the_stamp_of_a_resend,),
    ),
    Mutation(
        "the quantity is frozen",
        "a resend differs from what may be billed already",
        submitting.count_again_for_each_attempt,
        (sending.the_quantity_of_a_resend,),
    ),
    Mutation(
        "intent before the call",
        "a crash after the call leaves no trace: the usage is given back and billed twice",
        submitting.log_the_attempt_with_its_answer,
        (sending.a_process_that_dies_after_the_call,),
    ),
    Mutation(
        "the deadline is checked when an attempt begins",
        "AWS refuses for good what could have been billed in another hour",
        submitting.trust_what_was_due,
        (sending.time_runs_out_between_reading_and_sending,),
    ),
    Mutation(
        "a safety margin before the deadline",
        "a slow clock sends too late: refused for good",
        submitting.no_safety_margin,
        (sending.a_clock_that_is_slow,),
    ),
    Mutation(
        "settings with which a window expires before a run can send it do not construct",
        "nothing is ever billed, and the usage waits for a window that never comes",
        planning.allow_windows_that_nobody_can_send,
        (sending.the_shortest_window_that_there_may_be,),
    ),
    Mutation(
        "no request mixes months",
        "a month that has closed takes a new one's usage with it",
        submitting.mix_months,
        (sending.two_months_in_one_request,),
    ),
    Mutation(
        "no request mixes identities",
        "AWS refuses the request, and usage that is right is parked",
        submitting.mix_identities,
        (sending.two_identities_in_one_request,),
    ),
    Mutation(
        "a refused request is halved",
        "one poison record has all others of its request refused",
        submitting.blame_the_whole_request,
        (sending.a_poison_record_among_others,),
    ),
    Mutation(
        "a parked record travels alone",
        "every retry of a poison record has new usage refused",
        submitting.send_parked_with_others,
        (sending.a_parked_record_travels_alone,),
    ),
    Mutation(
        "a parked record waits",
        "a poison record is sent at every run and eats the request quota",
        submitting.retry_parked_at_once,
        (sending.a_parked_record_waits,),
    ),
    Mutation(
        "one HTTP request for each attempt",
        "a lost answer is hidden by a retry that is throttled: given back and billed twice",
        submitting.let_the_client_retry,
        (sending.a_client_that_retries_by_itself,),
    ),
    # Answers
    Mutation(
        "a 200 is not billed",
        "a buyer who is not subscribed counts as billed",
        reading.believe_every_200,
        (answers.a_200_that_is_not_billed,),
    ),
    Mutation(
        "UnprocessedRecords are not billed",
        "what AWS did not process counts as billed",
        reading.believe_unprocessed,
        (answers.a_record_that_was_not_processed,),
    ),
    Mutation(
        "a missing result is no answer",
        "what AWS does not mention counts as refused: given back and billed twice",
        reading.take_silence_for_refusal,
        (answers.a_result_that_is_missing,),
    ),
    Mutation(
        "an unknown status is no answer",
        "a new status of AWS counts as refused: given back and billed twice",
        reading.take_unknown_for_refusal,
        (answers.a_status_that_nobody_knows,),
    ),
    Mutation(
        "a 500 is no answer",
        "AWS had accepted it: given back and billed twice",
        reading.take_500_for_refusal,
        (answers.a_server_error,),
    ),
    Mutation(
        "a lost answer is no refusal",
        "AWS had accepted it: given back and billed twice",
        reading.take_loss_for_refusal,
        (answers.an_answer_that_is_lost,),
    ),
    Mutation(
        "where a call broke off says whether it was sent",
        "what a dead proxy never passed on counts as lost: usage waits for a person, unbilled",
        reading.know_no_place,
        (answers.a_proxy_that_is_dead_and_its_kin,),
    ),
    Mutation(
        "an error's class alone says nothing of a proxy",
        "a proxy that hung up had passed the request on: given back and billed twice",
        reading.take_the_class_for_all,
        (answers.a_proxy_that_hangs_up,),
    ),
    Mutation(
        "a refused time stamp blames no usage while the clock is wrong",
        "usage that a clock days ahead planned into a window to come is listed, not billed",
        reading.ignore_the_date_of_answers,
        (sending.a_clock_that_is_days_ahead,),
    ),
    Mutation(
        "a duplicate is ours only after an own attempt",
        "another program's usage passes for ours, and nobody is told",
        entry.presume_every_duplicate,
        (answers.a_duplicate_of_what_we_never_sent,),
    ),
    Mutation(
        "an attempt that was a duplicate itself presumes nothing",
        "two runs at once take each other's duplicate for their own: nobody is told",
        entry.forget_answered_duplicates,
        (answers.two_duplicates_of_what_we_never_sent,),
    ),
    Mutation(
        "a duplicate after an own attempt is billed",
        "what is billed counts as refused: given back and billed twice",
        entry.refuse_every_duplicate,
        (answers.a_duplicate_of_our_own,),
    ),
    Mutation(
        "a late Success is a fact",
        "what is billed stays unresolved, although AWS said so",
        entry.ignore_late_success,
        (answers.a_success_that_comes_late,),
    ),
    Mutation(
        "a late refusal counts once",
        "the answers to a whole batch cannot be stored",
        entry.count_late_refusals,
        (answers.a_refusal_that_comes_late,),
    ),
    Mutation(
        "a late refusal ends a doubt, or a presumption",
        "what AWS certainly refused is never billed; what it never accepted counts as billed",
        entry.forget_late_refusals,
        (answers.a_refusal_that_ends_a_doubt, answers.a_refusal_that_ends_a_presumption),
    ),
    # Endings
    Mutation(
        "an expired window is given back only if every attempt was refused",
        "a lost answer counts as refused at the deadline: billed twice",
        entry.release_whatever_expired,
        (answers.an_answer_that_is_lost, answers.a_server_error),
    ),
    Mutation(
        "usage that AWS never judged is pending again",
        "an outage costs the seller the usage of every window that expired in it",
        entry.list_whatever_expired,
        (answers.usage_that_aws_certainly_has_not,),
    ),
    Mutation(
        "a transition is decided on the entry as it is stored",
        "a copy says that nothing was sent: given back and billed twice",
        storing.decide_on_a_copy,
        (people.a_release_decided_on_a_copy,),
    ),
    Mutation(
        "a repair needs every attempt refused",
        "what AWS may hold is given back and billed twice",
        entry.release_for_a_repair,
        (people.a_repair_of_what_may_be_billed,),
    ),
    Mutation(
        "a write-off needs every attempt refused",
        "what AWS bills is on the list of what it does not",
        entry.write_off_anything,
        (people.a_write_off_of_what_may_be_billed,),
    ),
    Mutation(
        "a person's word holds for what the person saw",
        "what AWS bills is written off, because it was parked when the command began",
        entry.judge_what_nobody_has_seen,
        (people.a_write_off_of_what_is_settled_meanwhile,),
    ),
    Mutation(
        "an alarm is stored with its cause",
        "a crash in between silences it",
        storing.store_alarms_afterwards,
        (people.a_crash_after_usage_was_given_up,),
    ),
    Mutation(
        "an alarm is delivered before it is confirmed",
        "a crash in between silences it",
        storing.confirm_alarms_first,
        (people.a_crash_while_people_are_told,),
    ),
    # Copies
    Mutation(
        "a store behind its mark neither seals nor sends",
        "a restored copy bills again what was billed since",
        copying.ignore_the_mark,
        (restoring.pending_in_the_copy_billed_since, restoring.late_usage_in_the_copy),
    ),
    Mutation(
        "a store whose mark is missing asks",
        "a copy that was restored without its mark goes on by itself",
        copying.go_on_without_a_mark,
        (restoring.a_mark_that_is_missing,),
    ),
    Mutation(
        "the mark is raised before each request, not once a run",
        "a copy of the middle of a run is level with its mark, and bills the rest again",
        copying.raise_the_mark_once_a_run,
        (restoring.a_copy_of_the_middle_of_a_run,),
    ),
    Mutation(
        "the store is looked at again after its mark was raised",
        "what a halted process sends is not held in the copy that came in its store's place",
        copying.trust_the_store_that_was,
        (restoring.a_restore_between_store_and_mark,),
    ),
    Mutation(
        "numbers that a process looked up are forgotten when others have written",
        "in a restored file another meter has the number, or none: another buyer is billed",
        copying.remember_numbers,
        (restoring.a_copy_under_a_process_that_records,),
    ),
    Mutation(
        "what the copy shows as unsettled is unresolved, not released",
        "what was billed since is given back, and billed again",
        copying.release_what_was_unsettled,
        (restoring.sealed_in_the_copy_billed_since,),
    ),
    Mutation(
        "what the copy shows as pending is unresolved",
        "what was billed since is carried, and billed again",
        copying.leave_pending_what_was_pending,
        (restoring.pending_in_the_copy_billed_since, restoring.late_usage_in_the_copy),
    ),
    Mutation(
        "what the copy lists is unresolved",
        "what a person has tried again since, and AWS has billed, is tried once more",
        copying.leave_listed_what_was_listed,
        (restoring.listed_in_the_copy_billed_since,),
    ),
    Mutation(
        "a person's word makes the store level with its mark",
        "new usage waits for ever",
        copying.stay_behind,
        (restoring.pending_in_the_copy_billed_since,),
    ),
    # Places and policies
    Mutation(
        "each run is measured by the ledger's region",
        "a shell of another region sends what may be billed: billed in both",
        placing.forget_the_region,
        (places.a_shell_with_another_region,),
    ),
    Mutation(
        "each run is measured by the ledger's seller account",
        "another account's credentials send what this one may have sent",
        placing.forget_the_account,
        (places.a_shell_with_another_account,),
    ),
    Mutation(
        "a run works with the ledger's policy, not with the shell's",
        "late usage that is held for a person is billed by a run that does not hold it",
        placing.believe_the_shell,
        (places.late_usage_that_the_ledger_holds,),
    ),
    Mutation(
        "a shell that says another policy is refused",
        "the settings of the latest caller are the ledger's policy",
        placing.obey_the_shell,
        (places.a_shell_that_says_another_policy,),
    ),
    Mutation(
        "a stack's functions bring their template's policy to the ledger",
        "a deployment changes nothing, or stops metering",
        placing.ignore_the_template,
        (places.a_template_that_changes,),
    ),
    Mutation(
        "a ledger is moved only when nothing is unsettled",
        "what may be billed in the old region is sent to the new one: billed in both",
        placing.move_whatever_is_unsettled,
        (places.a_move_while_usage_is_unsettled,),
    ),
    Mutation(
        "the ledger's place is looked at again before each request",
        "a run that began before a move sends to the old region: billed in both",
        placing.trust_the_place_that_was,
        (places.a_move_under_a_run,),
    ),
    Mutation(
        "nobody is admitted while a ledger is moved",
        "what is sent between the look and the move is sent again: billed in both",
        placing.admit_while_it_is_moved,
        (places.a_run_under_a_move,),
    ),
    # Recording
    Mutation(
        "an input that is repeated adds nothing",
        "a crash while recording bills a buyer twice",
        recorder.add_repeated_input,
        (recording.an_input_that_is_repeated,),
    ),
    Mutation(
        "a repetition is known by its input, not by an equal row",
        "equal usage of two hosts is billed once",
        recorder.take_equal_usage_for_repeated,
        (recording.equal_usage_of_two_inputs,),
    ),
    Mutation(
        "an event counts once",
        "an event that is delivered twice is billed twice",
        recorder.ignore_event_ids,
        (recording.an_event_that_comes_twice,),
    ),
    Mutation(
        "what a repair took away is remembered",
        "an input that is repeated after a repair is billed beside the corrected one",
        recorder.forget_corrections,
        (
            recording.an_input_that_comes_again_after_a_repair,
            recording.an_event_that_comes_again_after_a_repair,
        ),
    ),
    Mutation(
        "what waits in a spool is bound to region and account",
        "a sum that is in one table is put into its namesake of another region: billed twice",
        recorder.forget_where_a_spool_goes,
        (recording.a_spool_under_another_region,),
    ),
    Mutation(
        "a spool's place is on the disk before the first put",
        "a kill takes it along, and the sum goes to another table as well",
        recorder.note_where_a_spool_goes_too_late,
        (recording.a_spool_under_another_region,),
    ),
    Mutation(
        "what may be a copy of another input is not recorded unasked",
        "a file that was copied is billed twice",
        reading_files.record_copies,
        (files.a_copy_of_a_file,),
    ),
    Mutation(
        "a number that was rounded is refused",
        "a spreadsheet's time bills another hour, and a rounded quantity too much or too little",
        reading_files.believe_rounded_numbers,
        (files.a_time_that_was_rounded, files.a_quantity_that_was_rounded),
    ),
    Mutation(
        "a CSV row is one line",
        "a quote that is not closed hides the rows after it: they are never billed",
        reading_files.let_rows_go_over_lines,
        (files.a_quote_that_is_not_closed,),
    ),
    # DynamoDB: the same promises, kept by other means
    Mutation(
        "DynamoDB: a book's head has a version, compared and set",
        "a release undoes what another job has sealed meanwhile: usage waits in no window for ever",
        dynamodb.ignore_the_version,
        (table.a_release_while_another_job_seals,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: a licence is claimed only where nobody owns it",
        "it fills one hour in two books, and AWS bills one of them: the other passes for billed",
        dynamodb.claim_what_others_own,
        (rules.two_jobs_that_seal_one_licence,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: members of live entries are subtracted from what the index shows",
        "usage whose marks are not written yet is sealed and billed again",
        dynamodb.believe_the_index,
        (sealing.a_job_that_runs_again_at_once,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: a change is written onto the revision that was decided upon",
        "a remembered entry is released although it was sent: billed twice",
        dynamodb.ignore_the_revision,
        (people.a_release_decided_on_a_copy,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: a refusal counts once, although its write is repeated after others went on",
        "it passes for the answer to an attempt that has none: given back and billed twice",
        dynamodb.count_a_refusal_again,
        (table.a_refusal_whose_write_is_repeated,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: usage is put where nothing stands",
        "usage of one buyer in the same millisecond is overwritten",
        dynamodb.overwrite_usage,
        (recording.usage_of_one_instant,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: a repetition is known by its input, not by an equal row",
        "equal usage of two hosts is billed once",
        dynamodb.take_equal_usage_for_repeated,
        (recording.equal_usage_of_two_inputs,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: an event id is taken once",
        "an event that is delivered twice is billed twice",
        dynamodb.take_events_again,
        (recording.an_event_that_comes_twice,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: an event that was put elsewhere is looked for at its place",
        "an event that comes by a recorder and by PutItem is billed twice",
        dynamodb.believe_events_put_elsewhere,
        (
            table.an_event_that_is_put_as_well,
            table.an_event_that_is_recorded_after_its_put_was_billed,
        ),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: a signpost stands at the place of an event that was put elsewhere",
        "who comes after it was billed finds nothing, and it is billed again",
        dynamodb.put_no_signpost,
        (table.an_event_that_is_recorded_after_its_put_was_billed,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: the place of an event says that it was moved to another buyer",
        "the application's retry of its PutItem is billed to the first buyer as well",
        dynamodb.leave_the_place_of_a_moved_event,
        (table.an_event_that_was_moved_to_another_buyer,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: what a repair took away is remembered",
        "an input that is repeated after a repair is billed beside the corrected one",
        dynamodb.forget_corrections,
        (recording.an_input_that_comes_again_after_a_repair,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: every correction is remembered, not only the latest",
        "an input that is repeated after two repairs is billed beside the corrected one",
        dynamodb.remember_one_correction,
        (recording.an_input_that_comes_again_after_two_repairs,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: what an entry gave back was on time",
        "what an outage delayed is refused or held",
        late.dynamodb_forget_what_was_given_back,
        (lateness.usage_that_an_outage_delayed,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: a correction of what was given back is on time",
        "usage that AWS refused is refused once more when it is right",
        late.dynamodb_correct_as_if_new,
        (lateness.usage_that_is_repaired_after_its_window,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: a mark is for what was sealed",
        "what an application puts in its place meanwhile passes for billed",
        dynamodb.mark_whatever_stands_there,
        (table.a_put_over_usage_that_waits_for_its_mark,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: usage that was changed after it was sealed is listed, and people are told",
        "it is pending for ever, and nobody knows why",
        dynamodb.tell_nobody_of_changed_usage,
        (table.a_put_over_what_was_billed,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: a window is given back to a repair only if every attempt was refused",
        "what AWS may hold is given back and billed twice",
        entry.release_for_a_repair,
        (table.a_record_that_is_repaired_while_its_answer_is_lost,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: usage that is taken back loses its date to be deleted at",
        "DynamoDB deletes usage that nobody was billed for, and the books forget it",
        dynamodb.leave_the_date_to_be_deleted_at,
        (answers.a_refusal_that_ends_a_presumption,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: usage is looked up in all books of its buyer",
        "a usage record that is edited after it was sealed is billed in two dimensions",
        dynamodb.look_into_no_other_book,
        (edits.an_edit_that_a_job_sees_before_it_is_sent, edits.an_edit_right_before_its_mark),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: a buyer's books have a version, compared and set",
        "two jobs, one of which saw a usage record before it was edited, bill it in two dimensions",
        dynamodb.ignore_the_buyers_version,
        (edits.an_edit_between_two_jobs,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: what was edited before its mark gets the name of its entry",
        "it passes for other usage once its window is marked, and is billed in two dimensions",
        dynamodb.name_nothing,
        (edits.an_edit_between_sealing_and_sending, edits.an_edit_while_a_job_reads),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: what is put in the place of marked usage is other usage",
        "it is listed, not billed",
        dynamodb.name_whatever_is_put_later,
        (table.a_put_over_another_meters_usage, edits.an_edit_after_a_late_answer),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: of several entries with a usage record's time the one that it names decides",
        "it passes for other usage, and is billed once more whenever it is edited",
        dynamodb.overlook_what_usage_names,
        (
            edits.an_edit_of_what_was_put_over_usage_of_a_third_meter,
            edits.an_edit_of_what_was_put_over_usage_of_its_new_meter,
            edits.a_person_says_twice_of_when_the_ledger_is,
        ),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: nothing is decided while the index shows an older mark than the table",
        "it passes for other usage than its own entry's, and is billed in two dimensions",
        dynamodb.believe_an_old_picture_of_a_mark,
        (edits.an_edit_whose_mark_the_index_does_not_show,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: the name of another entry is written over only where that gave the usage back",
        "a restored ledger takes for its own what an entry that it has lost had billed",
        dynamodb.name_what_names_an_unknown_entry,
        (edits.a_person_says_twice_of_when_the_ledger_is,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: what was put over other usage is held after a restore",
        "the copy knows what stood there, so what was billed since is billed again",
        dynamodb.know_what_was_put_over_other_usage,
        (edits.usage_put_over_what_the_copy_has_billed,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: what is given back leaves the name of another entry",
        "usage that was edited there and back is billed in two dimensions",
        dynamodb.name_what_is_given_back,
        (edits.an_edit_there_and_back_under_a_mark_that_halts,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: what may be other usage gives no window back",
        "usage that was sealed is not billed because other usage was put in its place",
        dynamodb.take_other_usage_for_a_repair,
        (edits.a_put_of_another_meter_before_anything_is_sent,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: of several books in a transaction, one that is too large costs only itself",
        "no buyer is billed while one book is too large",
        limits.dynamodb_refuse_all_of_a_transaction,
        (room.a_book_that_cannot_be_stored,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: what is rejected of an hour is one item, with all of its tags",
        "very many sets of tags make a book too large, and its usage waits for ever",
        limits.dynamodb_list_each_set_of_tags_by_itself,
        (room.late_usage_with_very_many_sets_of_tags,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: the head of a book forgets its oldest hours before it is too large",
        "a book with very many windows, or corrections, cannot be stored any more",
        limits.dynamodb_let_heads_grow,
        (room.a_head_that_would_grow_too_large,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: a line that is too large for a statement goes by itself",
        "a single line of a file is refused, or stops all that is recorded with it",
        limits.dynamodb_state_everything,
        (room.a_line_too_large_for_a_statement,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: what an entry holds was recorded, with anything in its place",
        "the books never balance again after billed usage was overwritten",
        dynamodb.count_as_recorded_what_stands_there,
        (overwritten.usage_of_another_meter_over_what_was_billed,),
        "dynamodb",
    ),
    Mutation(
        "DynamoDB: usage records that are not there as they were sealed are named",
        "nobody learns that an application overwrites usage, and some before it is sealed",
        dynamodb.name_nothing_that_is_missing,
        (
            overwritten.usage_of_another_meter_over_what_was_billed,
            overwritten.usage_over_what_was_billed_of_the_same_meter,
        ),
        "dynamodb",
    ),
)
