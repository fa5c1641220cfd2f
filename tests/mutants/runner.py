"""Runs a program of tests with bounds, because a mutant may work or allocate without end.

Stops at the first test that fails: the mutant is caught. Most of them fail a test that takes no time, so those that
start a server run only if all others pass, and the slow tests come last.
"""

import os
import resource
import subprocess
import sys

MEMORY_BYTES_MAX = 6 << 30
# Those that take a tenth of a second and more, or seconds with a server: nine tenths of the time of all.
SLOW = {
    "books::reconciliation::model::after_crashes_both_ends_are_equal_again",
    "books::reconciliation::model::lost_answers_are_written_off_by_the_end_that_answered",
    "books::reconciliation::model::no_difference_is_found_where_there_is_none",
    "books::reconciliation::model::no_message_costs_more_than_is_allowed",
    "books::reconciliation::model::strict_books_concede_no_more_than_was_uncertain",
    "connector::fair_shares::tests::below_its_share_a_requester_is_never_refused",
    "connector::fair_shares::tests::half_is_divided_and_a_share_is_reserved_for_a_newcomer",
    "connector::fair_shares::tests::requesters_beyond_the_maximum_have_one_share_together",
    "connector::tests::ledger_model::what_is_saved_covers_what_peers_know",
    "connector::tests::ledger_threads::cuts_between_four_threads_have_both_halves_of_each_packet",
    "connector::tests::model::any_sequence_of_operations_conserves_money",
    "connector::tests::settlement_model::what_is_paid_is_debited_and_what_is_received_is_credited_rows_132_135",
    "postgres::engines::ten_thousand_accounts_are_one_cut",
    "postgres::events::old_events_go_and_of_too_many_those_that_no_webhook_waits_for",
    "postgres::lease::databases_that_cannot_be_trusted_are_refused",
    "postgres::limits::a_server_whose_files_a_power_cut_may_damage_is_reported",
    "postgres::limits::a_standby_ends_the_session_of_a_frozen_process",
    "postgres::limits::the_server_ends_a_statement_that_takes_too_long",
    "postgres::tls::each_sslmode_verifies_what_its_name_says",
    "postgres::worker::a_lease_is_renewed_without_a_cut_and_given_back_at_the_end",
    "postgres::worker::a_process_learns_without_a_cut_that_another_one_has_its_books",
    "routing::ccp::change_log::tests::the_log_is_bounded_for_peers_that_are_behind",
    "routing::ccp::model::tests::the_rules_hold_for_any_input",
    "routing::ccp::tests::forgetting::a_peer_that_does_not_answer_causes_no_resend_to_others",
    "routing::ccp::tests::network::a_full_mesh_converges_on_direct_routes",
    "routing::ccp::tests::network::a_ring_reroutes_around_a_dead_node_and_back",
    "routing::ccp::tests::network::any_network_converges_after_any_events",
    "store::sqlite::read_only::tests::a_file_that_another_program_has_locked_is_not_read_around_the_lock",
    "stream::sender::tests::any_path_with_any_failures",
    "stream::sender::tests::the_narrowest_hop_decides_the_number_of_packets",
    "stream::sender::tests::the_sender_waits_for_busy_paths",
}
# They start a server.
SERVED = "postgres::"


def run(program, arguments):
    """Runs tests, and ends if one fails."""
    with subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True) as tests:
        for line in tests.stdout:
            print(line, end="", flush=True)
            if line.startswith("test ") and line.endswith("FAILED\n"):
                tests.kill()
                sys.exit("a test failed; the others were not run")
    if tests.returncode:
        sys.exit(f"the tests ended with {tests.returncode}")


def names(program, arguments):
    """The tests that the program runs with these arguments."""
    listed = subprocess.run([program, *arguments, "--list"], capture_output=True, text=True, check=True)
    return [line.removesuffix(": test") for line in listed.stdout.splitlines() if line.endswith(": test")]


def main():
    cpu_s = int(os.environ["MUTANTS_CPU_S"])
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    program, *arguments = sys.argv[1:]
    rest = names(program, arguments)
    slow = [name for name in rest if name in SLOW]
    served = [name for name in rest if name not in SLOW and name.startswith(SERVED)]
    run(program, [*arguments, *(part for name in [*slow, *served] for part in ("--skip", name))])
    for chosen in (served, slow):
        if chosen:
            run(program, ["--exact", *chosen])


if __name__ == "__main__":
    main()
