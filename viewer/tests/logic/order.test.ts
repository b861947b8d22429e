import { describe, expect, test } from "vitest";
import { SORTABLE, sorted, sortOf } from "../../src/model/order";
import { Selection } from "../../src/model/selection";
import { message, type Row, tableOf } from "./table";

const rows: Row[] = [
    { id: "b.py::z", duration: 30, start: 5, outcome: "passed", worker: "gw1", type: "", message: "b" },
    { id: "a.py::y", duration: 10, start: -7, outcome: "failed", worker: "gw0", type: "E", message: "a" },
    { id: "b.py::a", duration: 30, start: 3, outcome: "odd", worker: "gw1", attempt: 2 },
    { id: "a.py::x", duration: 20, start: 4, outcome: "crashed", worker: "gw0", markers: "slow" },
];
const order = (by: string) => [...sorted(Uint32Array.from([0, 1, 2, 3]), tableOf(rows), sortOf(by)!)];

describe("rows are sorted", () => {
    test.each([
        ["duration", [1, 3, 0, 2]],
        ["-duration", [0, 2, 3, 1]],
        ["start", [1, 2, 3, 0]],
        ["-start", [0, 3, 2, 1]],
        ["test", [3, 1, 2, 0]],
        ["-test", [0, 2, 1, 3]],
        ["outcome", [3, 1, 2, 0]],
        ["worker", [1, 3, 0, 2]],
        ["-worker", [0, 2, 1, 3]],
        ["attempt", [0, 1, 3, 2]],
        ["file", [1, 3, 0, 2]],
        ["message", [1, 0, 2, 3]],
        ["-message", [0, 1, 2, 3]],
        ["markers", [3, 0, 1, 2]],
        ["-markers", [3, 0, 1, 2]],
        ["type", [1, 0, 2, 3]],
        ["-type", [1, 0, 2, 3]],
    ])("by %s, equal ones in the order of arrival, those without last", (by, expected) =>
        expect(order(by)).toEqual(expected),
    );

    test("what cannot be sorted by is no order", () => expect(sortOf("-colour")).toBeUndefined());

    test("numbers too large to stand beside a row's number are sorted all the same", () => {
        const table = tableOf([
            { id: "a.py::a", start: 2 ** 52 },
            { id: "a.py::b", start: 0.5 },
            { id: "a.py::c", start: -(2 ** 52) },
        ]);
        expect([...sorted(Uint32Array.from([0, 1, 2]), table, sortOf("start")!)]).toEqual([2, 1, 0]);
    });
});

describe("a selection that is kept up is the one made anew", () => {
    const pick = (i: number): Row => ({
        id: `f${i % 7}.py::t${(i * 37) % 101}`,
        duration: (i * 7919) % 50,
        start: (i * 31) % 400,
        outcome: ["passed", "failed", "skipped"][i % 3]!,
        worker: `gw${i % 4}`,
    });
    const all = Array.from({ length: 300 }, (_, i) => pick(i));
    test.each(["", ...SORTABLE, ...SORTABLE.map((by) => `-${by}`)])("sorted by %s", (sort) => {
        const table = tableOf(all.slice(0, 100));
        const selection = new Selection(table, "outcome:passed,failed", sort);
        for (let from = 100; from < 300; from += 40) {
            table.append(message(all.slice(from, from + 40), from));
            selection.update();
        }
        const anew = (query: string) => [...new Selection(tableOf(all), query, sort).update()];
        expect([...selection.update()]).toEqual(anew("outcome:passed,failed"));
        expect(selection.update().length).toBe(200);
        // Another query in the same order, as while one types.
        expect([...new Selection(table, "outcome:failed", sort).update()]).toEqual(anew("outcome:failed"));
        expect([...new Selection(table, "", sort).update()]).toEqual(anew(""));
    });
});
