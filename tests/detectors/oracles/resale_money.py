"""Money for monitored drugs."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

DETECTOR = "agent_buying.resale_money"


def oracle(values, drugs):  # type: ignore[no-untyped-def]
    watched = {item for item, (_, monitored) in drugs.items() if monitored}

    def yuan(event):  # type: ignore[no-untyped-def]
        if event["med_type"] == "21":
            return Decimal(0)
        return sum(
            (Decimal(line["det_item_fee_sumamt"]) for line in event["lines"] if line["med_list_codg"] in watched),
            Decimal(0),
        )

    def exceeded(events):  # type: ignore[no-untyped-def]
        agents = [
            event for event in events if event["agnter_certno"] and (event["agnter_rlts"] or "") not in ("1", "7")
        ]
        sums = (
            (sum(map(yuan, part)) / values[name], part) for name, part in (("limit", events), ("agent_limit", agents))
        )
        return max((one for one in sums if one[0] >= 1), key=lambda one: one[0], default=None)

    def judge(point, window, detail):  # type: ignore[no-untyped-def]
        if not yuan(point):
            return None
        paid = [event for event in window if yuan(event)]
        found = exceeded(paid)
        if found is None:
            return None
        excess, members = found
        cancer = [
            event
            for event in paid
            if any(one["diag_code"].startswith(("C", "Z51")) for one in event["diagnoses"] or ())
        ]
        if exceeded([event for event in paid if event["long_rx_flag"] != "1" and event not in cancer]) is None:
            return "green", members
        return "red" if 1 - Decimal("0.5") / excess >= Decimal("0.94995") else "yellow", members

    return "person", lambda event: [(event["psn_no"], "")], timedelta(days=values["window"]), judge
