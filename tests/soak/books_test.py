"""The judgements of books: at rest, and after the stop."""

import unittest
from dataclasses import replace

import plan
from books import unsettled, wrong_books
from payments import CUT_S, Payment, open_rejects


def peer(name, balance):
    return {
        "id": name,
        "held": {"received": "0", "sent": "0"},
        "packetsInFlight": {"received": 0, "sent": 0},
        "uncertain": "0",
        "sessions": [{"id": 0}],
        "balance": str(balance),
        "reconcile": {"verdict": "agrees"},
        "settlement": {"settled": {"received": "0", "sent": "0"}},
    }


def pages_at_rest():
    """Each link has the balance 7 at its first end."""
    pages = {name: {"peers": []} for name in plan.NODES}
    for one, other in plan.LINKS:
        pages[one]["peers"].append(peer(other, 7))
        pages[other]["peers"].append(peer(one, -7))
    return pages


def row(fulfilled_in=0, fulfilled_out=0, adjusted=0):
    row = dict.fromkeys(["settled_in", "settled_out", "held_out", "uncertain"], 0)
    row |= {"fulfilled_in": fulfilled_in, "fulfilled_out": fulfilled_out, "adjusted": adjusted}
    return row | {"balance": fulfilled_in - fulfilled_out + adjusted}


def payment(sender, receiver, paid, unseen=0):
    """From second 10 to 12."""
    return Payment(sender, receiver, "wallet", 10, 12, paid, paid, unseen)


def stores_of_one_payment():
    """A client of a has paid 100 units to a receiver of b."""
    stores = {name: ({}, []) for name in plan.NODES}
    stores["a"] = {"cli": row(100, 0), "b": row(0, 100)}, []
    stores["b"] = {"a": row(100, 0), "wallet": row(0, 100)}, []
    return stores, [payment("a", "b", 100)]


class Books(unittest.TestCase):
    def test_pages_at_rest_have_no_problem(self):
        self.assertEqual(unsettled(pages_at_rest()), [])

    def test_each_way_not_to_be_at_rest_is_found(self):
        changes = {
            "held": {"received": "0", "sent": "3"},
            "packetsInFlight": {"received": 1, "sent": 0},
            "uncertain": "5",
            "sessions": [],
            "balance": "8",
            "reconcile": {"verdict": "differs"},
            "settlement": {"settled": {"received": "1", "sent": "0"}},
        }
        for field, value in changes.items():
            pages = pages_at_rest()
            pages["a"]["peers"][0][field] = value
            self.assertEqual(len(unsettled(pages)), 1, field)

    def test_an_end_that_does_not_say_what_was_settled_is_found(self):
        pages = pages_at_rest()
        one, other = plan.SETTLED
        del next(peer for peer in pages[one]["peers"] if peer["id"] == other)["settlement"]
        self.assertEqual(len(unsettled(pages)), 1)

    def test_settlements_of_both_stores_are_compared(self):
        stores, payments = stores_of_one_payment()
        stores["a"][0]["b"] |= {"settled_out": 5, "balance": -95}
        stores["b"][0]["a"] |= {"settled_in": 4, "balance": 96}
        self.assertIn("a has paid b 5, of which 4 are credited", wrong_books(stores, payments, {}))

    def test_right_stores_have_no_problem(self):
        self.assertEqual(wrong_books(*stores_of_one_payment(), {}), [])

    def check_wrong(self, change, *expected, kills=None):
        """Finds just these problems after a change of right stores and payments."""
        stores, payments = stores_of_one_payment()
        change(stores, payments)
        found = wrong_books(stores, payments, kills or {})
        self.assertEqual(len(found), len(expected), found)
        for text in expected:
            self.assertTrue(any(text in one for one in found), (text, found))

    def test_a_proof_that_the_books_lack_is_found(self):
        def pay_more(_, payments):
            payments.append(payment("a", "b", 1))

        paid = "a: its senders paid 101 to 101 units by the proofs of senders, and 100 by the books"
        got = "b: wallet got 101 to 101 units by the proofs of senders, and 100 by the books"
        self.check_wrong(pay_more, paid, got)
        # A crash of strict books forgets nothing, and one long after a payment neither.
        self.check_wrong(pay_more, paid, got, kills={"a": [11], "b": [12 + CUT_S + 0.1]})
        self.check_wrong(pay_more, paid, got, kills={"b": [9.9]})
        self.check_wrong(pay_more, paid, kills={"b": [11]})
        self.check_wrong(pay_more, paid, kills={"b": [12 + CUT_S]})

    def test_a_crash_excuses_only_the_accounts_of_payments_near_it(self):
        def pay_another_account_later(stores, payments):
            stores["a"] = {"cli": row(101, 0), "b": row(0, 101)}, []
            stores["b"] = {"a": row(101, 0), "wallet": row(0, 101)}, []
            payments.append(replace(payment("a", "b", 1, 9), account="own:USD/9", began=90, ended=91))
            payments[0] = replace(payments[0], unseen=1)

        self.check_wrong(pay_another_account_later, "b: own:USD/9 got 1 to 10 units", kills={"b": [11]})

    def test_units_that_no_sender_paid_are_found(self):
        def pay_less(unseen):
            def change(_, payments):
                payments[0] = payment("a", "b", 90, unseen)

            return change

        self.check_wrong(pay_less(9), "a: its senders paid 90 to 99 units", "b: wallet got 90 to 99 units")
        self.check_wrong(pay_less(10))

    def test_what_is_given_up_has_a_bound(self):
        def give_up(unseen):
            """The receiver got five units more, and the node of their sender was not paid for them."""

            def change(stores, payments):
                payments[0] = replace(payments[0], unseen=unseen)
                stores["a"][0]["b"] = row(0, 100, -5)
                stores["a"][1].append(-5)
                stores["b"] = {"a": row(105, 0), "wallet": row(0, 105)}, []

            return change

        self.check_wrong(give_up(5))
        self.check_wrong(give_up(4), "a: it gave up 5 units: 4 were without proof", "b: wallet got 100 to 104")

    def test_only_batched_books_may_lack_what_they_took_over(self):
        def lose(stores, _):
            stores["b"] = {"a": row(0, 0, 100)}, [100]

        lost = "b: wallet got 100 to 100 units by the proofs of senders, and 0 by the books"
        taken = "b: it took over 100 units: 0 were without proof, and 0 near a crash"
        self.check_wrong(lose, lost, taken)
        self.check_wrong(lose, kills={"b": [11]})

        def lose_strict(stores, payments):
            stores["d"] = {"b": row(0, 0, 100)}, [100]
            stores["b"] = {"a": row(100, 0), "d": row(0, 100)}, []
            payments[0] = payment("a", "d", 100, 100)

        lost = "d: wallet got 100 to 200 units by the proofs of senders, and 0 by the books"
        self.check_wrong(lose_strict, lost, "d: it took over 100 units", kills={"d": [11]})

    def test_a_balance_that_is_not_the_sum_of_its_causes_is_found(self):
        def change(stores, _):
            stores["b"][0]["wallet"]["balance"] += 1

        self.check_wrong(change, "b: account wallet: the balance is not the sum of its causes")

    def test_two_ends_that_differ_are_found(self):
        def change(stores, _):
            stores["b"][0].update({"a": row(99, 0), "wallet": row(0, 99)})

        self.check_wrong(change, "the link of a and b: -100 and 99", "all together", "wallet got 100 to 100")

    def test_a_packet_with_one_side_is_found(self):
        def change(stores, _):
            stores["b"][0]["wallet"] = row(0, 90)

        self.check_wrong(change, "b: its fulfilled packets do not add up, by 10", "all together", "wallet got 100")

    def test_changes_that_do_not_add_up_are_found(self):
        def change(stores, _):
            stores["b"][1].append(1)

        self.check_wrong(change, "b: the changes of its balances do not add up", "all together", "b: it took over 1")

    def test_something_uncertain_is_found(self):
        def change(stores, _):
            stores["a"][0]["b"]["uncertain"] = 1

        self.check_wrong(change, "in flight or uncertain")

    def test_packets_that_may_have_been_paid_are_counted(self):
        self.assertEqual(open_rejects({"R00": 2, "T01": 3, "T04": 5, "F08": 7}), 5)
