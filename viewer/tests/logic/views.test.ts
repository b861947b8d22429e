import { describe, expect, test } from "vitest";
import { compare } from "../../src/model/compare";
import { failureGroups } from "../../src/model/groups";
import { across, bars, besides, lanes, rowAt, withUnended } from "../../src/model/lanes";
import { slowestFiles, slowestFixtures, slowestTests } from "../../src/model/slowest";
import { tableOf } from "./table";

test("failures of one exception at one place are one group, the largest first", () => {
    const at = (id: string, place: string, outcome = "failed") => ({
        id,
        outcome,
        type: "KeyError",
        place,
        message: "'x'",
    });
    const groups = failureGroups(
        tableOf([
            at("a.py::1", "db.py:3"),
            { id: "a.py::2" },
            at("a.py::3", "db.py:9"),
            at("a.py::4", "db.py:9", "error"),
            { id: "a.py::5", outcome: "crashed", message: "worker gone" },
        ]),
    );
    expect(groups.map(({ type, place, rows }) => [type, place, rows])).toEqual([
        ["KeyError", "db.py:9", [2, 3]],
        ["KeyError", "db.py:3", [0]],
        ["crashed", "", [4]],
    ]);
});

test("two runs compared by each test's last attempt", () => {
    const before = tableOf([
        { id: "a.py::breaks" },
        { id: "a.py::mended", outcome: "failed" },
        { id: "a.py::stays", outcome: "error" },
        { id: "a.py::slow", duration: 100_000 },
        { id: "a.py::fast", duration: 900_000 },
        { id: "a.py::gone" },
        { id: "a.py::same", duration: 10_000 },
        { id: "a.py::flaky", outcome: "rerun" },
        { id: "a.py::flaky", attempt: 2 },
    ]);
    const after = tableOf([
        { id: "a.py::breaks", outcome: "failed" },
        { id: "a.py::mended" },
        { id: "a.py::stays", outcome: "failed" },
        { id: "a.py::slow", duration: 200_000 },
        { id: "a.py::fast", duration: 100_000 },
        { id: "a.py::new" },
        { id: "a.py::newbad", outcome: "failed" },
        { id: "a.py::same", duration: 25_000 },
        { id: "a.py::flaky" },
    ]);
    const names = Object.fromEntries(
        Object.entries(compare(before, after)).map(([kind, pairs]) => [
            kind,
            pairs.map(({ nodeid }) => nodeid.slice(6)),
        ]),
    );
    expect(names).toEqual({
        broken: ["breaks", "newbad"],
        fixed: ["mended"],
        still: ["stays"],
        slower: ["slow"],
        faster: ["fast"],
        added: ["new", "newbad"],
        gone: ["gone"],
    });
});

describe("a timeline", () => {
    const table = tableOf([
        { id: "a.py::1", worker: "gw10", start: 0, duration: 10 },
        { id: "a.py::2", worker: "gw2", start: 50, duration: 100, outcome: "failed" },
        { id: "a.py::3", worker: "gw10", start: 40, duration: 10 },
        { id: "a.py::4", worker: "gw10", start: 45, duration: 10 },
    ]);
    test("has one lane a worker, in the order of numbers", () =>
        expect(lanes(table).map(({ worker, rows }) => [worker, [...rows]])).toEqual([
            ["gw2", [1]],
            ["gw10", [0, 2, 3]],
        ]));
    test("knows busy time without counting what overlaps twice, and the longest gap", () => {
        expect(lanes(table)[1]).toMatchObject({ busy: 25, from: 0, to: 55, longestGap: 30, longestGapAt: 10 });
    });
    test("goes on until now where a test has not ended, on a lane of its own where the worker has no other", () => {
        const unended = [
            { nodeid: "a.py::5", worker: "gw10", start: 100 },
            { nodeid: "a.py::6", worker: "gw0", start: 20 },
        ];
        expect(withUnended(lanes(table), unended, 200)).toEqual([
            expect.objectContaining({
                worker: "gw0",
                from: 20,
                to: 200,
                busy: 180,
                longestGap: 0,
                unended: [unended[1]],
            }),
            expect.objectContaining({ worker: "gw2", to: 150, unended: [] }),
            expect.objectContaining({
                from: 0,
                to: 200,
                busy: 125,
                longestGap: 45,
                longestGapAt: 55,
                unended: [unended[0]],
            }),
        ]);
        expect(withUnended([], unended, 0)[1], "the clocks may differ").toMatchObject({ from: 100, to: 100, busy: 0 });
    });
    test("joins what falls on one pixel, and shows the outcome that weighs most", () => {
        const dense = tableOf(
            Array.from({ length: 1000 }, (_, i) => ({
                id: `a.py::${i}`,
                start: i,
                duration: 1,
                outcome: i === 500 ? "failed" : "passed",
            })),
        );
        const drawn = bars(dense, lanes(dense)[0]!, 0, 1000, 100);
        expect(drawn.length).toBeLessThanOrEqual(100);
        expect(drawn.filter(({ row }) => row === 500).length).toBe(1);
        expect(Math.max(...drawn.map(({ x, width }) => x + width))).toBeLessThanOrEqual(101);
    });
    test("is gone through by key: along a lane, and from lane to lane", () => {
        const found = lanes(table);
        expect([besides(found, -1, 1), besides(found, 0, 1), besides(found, 0, -1), besides(found, 3, -1)]).toEqual([
            1,
            2,
            undefined,
            2,
        ]);
        expect([across(table, found, 1, 1), across(table, found, 1, -1), across(table, found, 0, -1)]).toEqual([
            3,
            undefined,
            1,
        ]);
    });
    test("finds the test under the pointer, or near it", () => {
        const lane = lanes(table)[1]!;
        expect([
            rowAt(table, lane, 5, 0),
            rowAt(table, lane, 20, 0),
            rowAt(table, lane, 12, 3),
            rowAt(table, lane, 48, 0),
            rowAt(table, lane, 38, 3),
        ]).toEqual([0, undefined, 0, 3, 2]);
    });
});

test("slowest tests, files and fixtures", () => {
    const table = tableOf([
        { id: "a.py::1", duration: 5 },
        { id: "b.py::1", duration: 9, outcome: "failed" },
        { id: "a.py::2", duration: 7 },
    ]);
    expect([...slowestTests(table, 2)]).toEqual([1, 2]);
    expect(slowestFiles(table)).toEqual([
        { file: "a.py", tests: 2, bad: 0, total: 12, longest: 7, longestTest: 2 },
        { file: "b.py", tests: 1, bad: 1, total: 9, longest: 9, longestTest: 1 },
    ]);
    const fixtures = slowestFixtures({
        count: 4,
        columns: {
            name: ["db", "app", "n", "tmp_path"],
            scope: { same: "module" },
            // What pytest makes for a parameter is no fixture of anybody's.
            place: ["db.py:3", "", "/lib/_pytest/python.py:1230", "/lib/_pytest/tmpdir.py:328"],
            setups: [1, 2, 1, 1],
            setup: [5, 9, 90, 1],
            teardown: [10, 1, 0, 0],
            longestTest: [0, 2, 0, 0],
        },
    });
    expect(
        fixtures.map(({ name, scope, setup, teardown, longestTest }) => [name, scope, setup, teardown, longestTest]),
    ).toEqual([
        ["db", "module", 5, 10, 0],
        ["app", "module", 9, 1, 2],
        ["tmp_path", "module", 1, 0, 0],
    ]);
});
