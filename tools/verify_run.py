"""A second opinion on a run folder, in plain Python and mpmath: ``python tools/verify_run.py RUN``.

Written from docs/format.md, without a line of noiseproof. Nothing is drawn again; who stops early may stop anywhere.
"""

from __future__ import annotations

import json
import math
import sys
from bisect import bisect_left
from collections import Counter
from hashlib import sha256
from itertools import accumulate, takewhile
from operator import mul
from pathlib import Path

from mpmath import mp, mpf

mp.dps = 40
NEAR, CLOSE = 1e-6, 1e-9  # relative: how far on the safe side a bound may lie; of numbers rounded to neither side
UP = 1 + 2.0**-30  # with which levels are held to spare (docs/format.md)


def need(holds: object, why: str) -> None:
    if not holds:
        raise ValueError(why)


def read(folder: Path) -> tuple[str, dict]:  # the hash that the journal continues; the meaning, its design whole
    meaning = (stored := json.loads((folder / "manifest.json").read_text(encoding="utf-8")))["meaning"]
    need(stored["format"] in (1, 2) and meaning.get("words") in (None, 2), "its format, or its words', is not known")
    need(not meaning.get("tally") and meaning.get("counts") != "none", "it has no class votes that could be checked")
    text = json.dumps([stored["kind"], meaning], sort_keys=True, separators=(",", ":"), allow_nan=False)
    need(sha256(text.encode()).hexdigest() == stored["meaning_hash"], "the meaning does not have the hash that pins it")
    levels = stored.get("levels") or [{} for _ in meaning.get("design", [])]
    design = [a | b for a, b in zip(meaning.get("design", []), levels, strict=True)]
    return stored["meaning_hash"], meaning | {"design": design}


def finished(folder: Path, previous: str, classes: int | None, under_way: dict):
    done = set()  # each with what was voted up to the end of each request; those under way stay in ``under_way``
    whole = takewhile(lambda raw: raw.endswith(b"\n"), (folder / "journal.jsonl").open("rb"))  # a torn line is none
    for number, raw in enumerate(whole, start=1):
        body, mark, rest = raw.rpartition(b',"hash":"')
        previous = sha256(previous.encode() + b"\n" + body).hexdigest()[:32]
        need(mark and rest == previous.encode() + b'"}\n', f"line {number}: the chain is broken")
        entry = json.loads(body + b"}")
        need(entry.get("key") not in done, f"line {number}: an input goes on that is finished")
        match entry["is"]:
            case "range":
                n, votes = entry["n"], entry["votes"]  # of all classes, or by class
                votes = Counter({int(c): votes[c] for c in (range(len(votes)) if isinstance(votes, list) else votes)})
                ends = under_way.setdefault(entry["key"], {}).setdefault(entry["stage"], {0: Counter()})
                right = all(type(each) is int for each in (n, *votes.values())) and entry["first"] == max(ends)
                right &= max(votes, default=0) < (classes or 1e18) and votes.total() <= n
                right &= n > 0 <= min([*votes, *votes.values()], default=0)
                need(right, f"line {number}: votes that {n} draws cannot give, or not where the last range ended")
                ends[max(ends) + n] = ends[max(ends)] + votes
            case "record":
                stages, drawn = under_way.pop(entry["key"], {}), {stage: [] for stage, _ in entry["requests"]}
                for stage, n in entry["requests"]:
                    at = n + (drawn[stage][-1][0] if drawn[stage] else 0)
                    need(n > 0 and at in stages.get(stage, {}), f"line {number}: draws are missing, or out of step")
                    drawn[stage].append((at, stages[stage][at]))
                asked = {stage: looks[-1][0] for stage, looks in drawn.items()}
                need(asked == {stage: max(ends) for stage, ends in stages.items()}, f"line {number}: draws too many")
                done.add(entry["key"])
                yield entry | {"drawn": drawn}
            case other:
                need(other in ("session", "seal", "restart"), f"line {number}: a line is {other!r}, which is not known")
                under_way.pop(entry.get("key"), None)


def upper_tail(k: int, n: int, p) -> mpf:  # P(Binomial(n, p) >= k), summed from k away from the mode
    if k <= 0 or not 0 < p < 1:
        return mpf(k <= 0 or p >= 1)
    if k <= n * p:
        return 1 - upper_tail(n - k + 1, n, 1 - p)
    log_choose, total = mp.loggamma(n + 1) - mp.loggamma(k + 1) - mp.loggamma(n - k + 1), mpf(0)
    term = mp.exp(log_choose + k * mp.log(p) + (n - k) * mp.log(1 - p))
    for j in range(k, n + 1):
        total += term
        if term < total * mpf(10) ** -38:
            break
        term *= mpf(n - j) / (j + 1) * p / (1 - p)
    return total


def lost(noise: dict) -> mpf:  # total variation between a sampled noise vector and the law of the theorem
    need(noise["family"] == "gaussian", f"this verifier knows no {noise['family']} noise")
    if noise["dimension"] is None or noise["grid"] is None:
        return (noise["dimension"] or 0) * mpf(2) ** -53
    s = mpf(noise["sigma"]) * noise["grid"]
    cap = int(mp.floor(mpf(17) / 2 * s)) + 1
    return noise["dimension"] * ((2 * cap + 1) * mpf(2) ** -64 + 2 * mp.ncdf(-(cap + mpf(1) / 2) / s))


def p_needed(r: float, noise: dict) -> mpf:
    return 1 - (mp.ncdf(-mpf(r) / mpf(noise["sigma"])) - lost(noise))


def looks_of(n_max: int, first: int, ratio: float) -> list[int]:
    looks, n = [], (step := min(first, n_max))
    while n < n_max:
        looks.append(n)
        n = max(n + step, math.ceil(ratio * n / step) * step)
    return [*looks, n_max]


def law(n: int, p: float) -> tuple[int, list[float]]:  # Binomial(n, p) within 10 sd: first count, probabilities
    spread = 10 * math.sqrt(n * p * (1 - p)) + 10
    low, high, mode = max(0, int(n * p - spread)), min(n, math.ceil(n * p + spread)), int((n + 1) * p)
    up = accumulate(range(mode, high), lambda mass, k: mass * (n - k) / (k + 1) * p / (1 - p), initial=1.0)
    down = accumulate(range(mode, low, -1), lambda mass, k: mass * k / (n - k + 1) * (1 - p) / p, initial=1.0)
    total = math.fsum(masses := [*[*down][:0:-1], *up])
    return low, [each / total for each in masses]


def crossing(looks: list[int], accept: list[int], p: float) -> float:  # P(reaching it at some look)
    low, held, drawn, crossed = 0, [1.0], 0, []
    for n, critical in zip(looks, accept):
        first, more = law(n - drawn, p)
        turned = [0.0] * (len(held) - 1) + more[::-1] + [0.0] * (len(held) - 1)
        size = len(held) + len(more) - 1
        new = [sum(map(mul, held, turned[size - 1 - i : size - 1 - i + len(held)])) for i in range(size)]
        skip = next((i for i, mass in enumerate(new) if mass > 1e-30), 0)  # what is less is as good as none
        new, low, drawn = new[skip:], low + first + skip, n
        crossed += new[max(0, critical - low) :]
        held = new[: max(0, critical - low)] or [0.0]
    return math.fsum(crossed)


def boundaries(p0: float, level: float, asked: dict) -> dict:  # as docs/format.md constructs them
    n_max, looks = asked["n_max"], looks_of(asked["n_max"], asked["first_look"], asked["ratio"])
    tails = [(low + len(mass), [0.0, *accumulate(reversed(mass))]) for low, mass in (law(n, p0) for n in looks)]

    def at(boost: float) -> list[int]:
        allowed = [min(level * each * math.exp(boost), 0.999 * level) for each in shares(len(looks), 0.5)]
        return [f - bisect_left(t, True, key=lambda mass: mass * UP > a) + 1 for (f, t), a in zip(tails, allowed)]

    def reached(n: int, x: int) -> float:
        p, left = (x + 0.5) / (n + 1), n_max - n
        spread = math.sqrt(2 * left * p * (1 - p) * (1 + left / (n + 1)))
        return math.erfc((accept[-1] - 0.5 - x - left * p) / spread) / 2

    low, high = 0.0, 8.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if crossing(looks, at(middle), p0) * UP <= level else (low, middle)
    accept = at(low)
    stop = [bisect_left(range(n + 1), asked["gamma"], key=lambda x: reached(n, x)) - 1 for n in looks[:-1]]
    return {"looks": looks, "accept": accept, "stop": [*stop, accept[-1] - 1]}


def check_design(meaning: dict) -> None:
    asked, noise = meaning["procedure"], meaning["noise"]
    radii = {"decide": lambda: [asked["radius"]], "curve": lambda: asked["radii"]}.get(asked["name"], list)()
    for r, test in zip(radii, meaning["design"], strict=True):
        p0 = float(p_needed(r, noise))
        level = asked["alpha"] * (1 if asked.get("label_aware") else p0)
        own = boundaries(p0, level, asked)
        need(own == {name: test[name] for name in own}, f"the test of radius {r} is {test}, not {own}")
        exact = {"p0": p0, "alpha": level, "size": crossing(own["looks"], own["accept"], p0)}
        near = all(math.isclose(test.get(name, -1), value, rel_tol=CLOSE) for name, value in exact.items())
        near &= bool(asked.get("label_aware")) or all(c - 1 >= p0 * (n - 1) for n, c, _ in zip(*own.values()) if c <= n)
        need(near and exact["size"] <= level, f"the test of radius {r} is {test}, but {exact}")


def top_of(votes: Counter) -> int:
    return min(votes, key=lambda c: (-votes[c], c), default=0)


def rival_of(votes: Counter, top: int, n: int) -> int:
    return max((votes[c] for c in votes if c != top), default=0) + n - votes.total()  # void draws count for the rival


def certificate(said: dict, top: int, looks: list[tuple[int, Counter, float]], noise: dict, both: bool) -> None:
    def check_bound(q, looks: list[tuple[int, int, float]]) -> None:  # Clopper-Pearson, the least of (k, n, level)
        earned = q >= 1 or any(upper_tail(k, n, 1 - q) <= level for k, n, level in looks)
        near = all(upper_tail(k, n, 1 - q * (1 - mpf(NEAR))) > level for k, n, level in looks)
        need(earned and near, f"the bound {float(q)} is not {'near the exact one' if earned else 'earned'}")

    tail, rival = 1 - mpf(said["p_lower"]) - mpf(2) ** -52 if both else mpf(said["p_upper"]), mpf(said["p_upper"])
    check_bound(tail, [(votes[top], n, level / (1 + both)) for n, votes, level in looks])
    if both:
        check_bound(rival, [(n - rival_of(votes, top, n), n, level / 2) for n, votes, level in looks])
    need(both or said["p_lower"] <= 1 - tail, "p_lower is more than its bound leaves")
    quantiles = (-mp.inf if (q := t + lost(noise)) >= 1 else mp.sqrt(2) * mp.erfinv(1 - 2 * q) for t in (tail, rival))
    exact, r = max(mpf(0), mpf(noise["sigma"]) / 2 * sum(quantiles)), said["radius"]
    need(exact * (1 - mpf(NEAR)) - NEAR * noise["sigma"] <= r <= exact, f"radius {r} is not {float(exact)}")
    need(said["prediction"] == (top if said["radius"] > 0 else -1), "another class is printed than won")


def shares(looks: int, last: float) -> list[float]:
    return [(1 - last) / (looks - 1)] * (looks - 1) + [last] if looks > 1 else [1.0]


def plans(asked: dict, design: list[dict]) -> dict[str, list[int]]:
    name, n_max, every = asked["name"], asked.get("n_max", 1), asked.get("look_every", 1)
    n0, n = ([10**i for i in range(2, 13) if 10**i < each] + [each] for each in (asked.get("n0", 1), asked.get("n", 1)))
    looks = design[0]["looks"] if design else looks_of(n_max, asked.get("first_look", n_max), 1.5)
    looks = {"certify": n, "predict": n, "simultaneous": n[-1:]}.get(name, looks)
    looks = [*range(every, n_max, every), n_max] if name == "anytime" else looks
    stage = next(
        (s for s in ("predict", "curve", "decide") if s in name), "decide" if name == "anytime" else "estimate"
    )
    return ({"select": n0} if "n0" in asked else {}) | {stage: looks}


def check(record: dict, meaning: dict) -> None:
    def wealth(k: int, n: int, p0) -> mpf:  # of the bet that p > p0 in docs/format.md
        def mass(a, b):  # of the beta law above p0, not normalised
            mode, sd = a / (a + b), mp.sqrt(a * b / (a + b) ** 3)
            points = {p0, mpf(1)} | {t for each in (-12, -6, -3, 0, 3, 6, 12) if p0 < (t := mode + each * sd) < 1}
            return mp.quad(lambda t: t ** (a - 1) * (1 - t) ** (b - 1), sorted(points))

        return mass(k + 0.5, n - k + 0.5) / (mass(0.5, 0.5) * p0**k * (1 - p0) ** (n - k))

    asked, noise, said, drawn = meaning["procedure"], meaning["noise"], record["outcome"], record["drawn"]
    name, alpha, design = asked["name"], asked["alpha"], meaning["design"]
    if "skipped" in record:
        return need(not drawn and said["prediction"] == -1, "it is skipped, and says something")
    planned = plans(asked, design)
    for stage in planned.keys() | drawn.keys():
        got, ends = [n for n, _ in drawn.get(stage, [])], planned.get(stage, [])
        early = name not in ("certify", "predict", "simultaneous") and stage != "select" and got
        need(got == (ends[: len(got)] if early else ends), f"draws of {stage} are not those of the procedure: {got}")
    n, votes = (looks := drawn[[*planned][-1]])[-1]
    top = top_of(votes)
    levels = [0.0] * (len(looks) - 1) + [1.0]  # of alpha: without a plan of looks the last alone counts
    if name.startswith("sequential"):
        levels = shares(len([*planned.values()][-1]), 0.7 if name == "sequential" else 0.5)
    if name in ("certify", "sequential", "simultaneous"):
        level = alpha / meaning["model"]["num_classes"] if name == "simultaneous" else alpha
        counted = [(*look, level * share) for look, share in zip(looks, levels) if share]
        top = top_of(drawn.get("select", looks)[-1][1])
        return certificate(said, top, counted, noise, asked.get("two_sided", False))
    if name in ("predict", "sequential-predict"):
        p = mpf(1)
        for (n, votes), share in zip(looks, levels):
            k, rival = votes[top := top_of(votes)], rival_of(votes, top, n)
            need(p > alpha, "it went on after it had decided")
            p = min(p, 2 * upper_tail(k, k + rival, 0.5) / share) if share and k > rival else p
        need(math.isclose(said["p_value"], p, rel_tol=CLOSE, abs_tol=1e-290), f"the p-value is {float(p)}")
        return need(said["prediction"] == (top if said["p_value"] <= alpha else -1), "another class is printed")
    if name == "curve":
        up = Counter()  # how far up the grid each class has come
        for c in votes:
            reached = [any(v[c] >= accept for (_, v), accept in zip(looks, test["accept"])) for test in design]
            up[c] = [*reached, False].index(False)
        r = [0.0, *asked["radii"]][up[top := top_of(up)]]
        p0 = float(p_needed(r, noise)) if up[top] else 0.0
        same = math.isclose(said["p_lower"], p0, rel_tol=CLOSE) and math.isclose(said["p_upper"], 1 - p0, rel_tol=CLOSE)
        same &= (said["radius"], said["prediction"]) == (r, top if up[top] else -1)
        return need(same, f"printed are not the class {top}, the radius {r} and the p0 {p0} that were reached")
    answer = "undecided"
    if name == "anytime":
        p0 = p_needed(asked["radius"], noise)
        over = "not certified" if wealth(n - votes[top], n, 1 - p0) * alpha >= 1 else "undecided"
        answer = "certified" if wealth(votes[top], n, p0) * alpha * p0 >= 1 else over
    else:
        for (n, votes), accept, stop in zip(looks, design[0]["accept"], design[0]["stop"]):
            need(answer == "undecided", "it went on after it had decided")
            top = record["label"] if asked["label_aware"] else top_of(votes)
            futile = votes[top] <= stop and n < asked["n_max"]
            answer = "certified" if votes[top] >= accept else "not certified" if futile else "undecided"
    need(answer != "undecided" or n == asked["n_max"] or "budget" in meaning, "it ended without a decision")
    own = answer, asked["radius"], top if answer == "certified" else -1
    need((said["answer"], said["radius"], said["prediction"]) == own, f"it is {own}")


def shown(folder: Path) -> str:  # of a run that holds: what must be known of which inputs it holds
    lines = [json.loads(raw) for raw in (folder / "journal.jsonl").open("rb") if raw.endswith(b"\n")]
    seals, records = ([line for line in lines if line["is"] == kind] for kind in ("seal", "record"))
    wanted = {i for each in seals for i in range(each["start"], each["of"], each["every"])[: each["limit"]]}
    there, keys = {each["index"] for each in records}, {line.get("key") for line in lines}
    turns = [each["key"].rpartition("-") for each in records if "skipped" not in each]
    chosen = [k for k, _, i in turns if i != "0" and not (i.isdigit() and i[0] != "0" and f"{k}-{int(i) - 1}" in keys)]
    return f"{len(there & wanted)} of {len(wanted)} asked for, {len(there - wanted)} others, {len(chosen)} out of turn"


def verify(folder: Path) -> tuple[int, int]:  # inputs that hold, and those under way
    record, holding, under_way = {}, 0, {}
    try:
        pinned, meaning = read(folder)
        check_design(meaning)
        for record in finished(folder, pinned, meaning["model"].get("num_classes"), under_way):
            check(record, meaning)
            record, holding = {}, holding + 1
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as why:
        raise ValueError(f"input {record['index']} (key {record['key']}): {why}" if record else repr(why)) from None
    return holding, len(under_way)


if __name__ == "__main__":
    try:
        print("{} inputs hold, {} are under way".format(*verify(Path(sys.argv[1]))), shown(Path(sys.argv[1])), sep="; ")
    except (LookupError, ValueError) as why:
        sys.exit(f"{sys.argv[1]} does not hold: {why}")
