import { describe, expect, test } from "vitest";
import { exceptions, role, traceOf, treeOfTest, visible } from "../../src/model/spans";
import type { Details, More } from "../../src/protocol";

const raised: More = {
    events: [
        {
            name: "exception",
            time: 4,
            attributes: {
                "exception.type": "KeyError",
                "exception.message": "'x'",
                "exception.stacktrace": "E KeyError",
            },
        },
    ],
};
const details: Details = {
    run: "r",
    tests: [7, 9],
    traces: ["aa", "bb"],
    first: [0, 2],
    resources: [{ "service.name": "shop" }, { "service.name": "bank" }],
    spans: {
        count: 7,
        columns: {
            parent: [-1, 0, -1, 0, 1, 1, 0],
            name: ["", "call", "", "setup", "fixture db (module)", "GET /", "call"],
            resource: [0, 0, 0, 0, 0, 1, 0],
            start: [0, 1, 0, 1, 2, 3, 6],
            duration: [10, 8, 20, 4, 1, 2, 12],
            status: { same: 0 },
            more: [null, null, null, null, { attributes: { "pytest.fixture.name": "db" } }, raised, raised],
        },
    },
    logs: [
        { test: 9, span: 4, time: 2, severity: 9, text: "hi", event: "", resource: 0, attributes: {} },
        { test: 7, span: 0, time: 1, severity: 9, text: "other", event: "", resource: 0, attributes: {} },
    ],
};
const tree = treeOfTest(details, 9, "test_b")!;

describe("a test's spans", () => {
    test("are its own, out of those of many tests", () =>
        expect(tree.name).toEqual(["test_b", "setup", "fixture db (module)", "GET /", "call"]));
    test("know their depth and where their descendants end", () =>
        expect([[...tree.depth], [...tree.last]]).toEqual([
            [0, 1, 2, 2, 1],
            [4, 3, 2, 3, 4],
        ]));
    test("are told apart by what they stand for", () =>
        expect([0, 1, 2, 3, 4].map((i) => role(tree, i))).toEqual(["test", "phase", "fixture", "app", "phase"]));
    test("are hidden in a closed one", () => expect([...visible(tree, new Set([1]))]).toEqual([0, 1, 4]));
    test("have the exceptions of pytest, not those of the application", () =>
        expect(exceptions(tree)).toEqual([{ span: 4, type: "KeyError", message: "'x'", stacktrace: "E KeyError" }]));
    test("have their own logs only", () => expect(tree.logs.map((log) => log.text)).toEqual(["hi"]));
    test("know their own trace", () => {
        expect([7, 9, 8].map((n) => traceOf(details, n))).toEqual(["aa", "bb", ""]);
        expect(traceOf({ ...details, traces: { same: "cc" } }, 9)).toBe("cc");
    });
    test("are not there for a test that the details are not about", () =>
        expect(treeOfTest(details, 8, "")).toBeUndefined());
});

test("80,000 spans are laid out without recursion", () => {
    const count = 80_000;
    const deep: Details = {
        run: "r",
        tests: [0],
        traces: { same: "aa" },
        first: [0],
        resources: [{}],
        logs: [],
        spans: {
            count,
            columns: {
                parent: { delta: [-1, ...new Array<number>(count - 1).fill(1)] },
                start: { same: 0 },
                duration: { same: 1 },
            },
        },
    };
    const big = treeOfTest(deep, 0, "t")!;
    expect([big.last[0], visible(big, new Set()).length, visible(big, new Set([0])).length]).toEqual([
        count - 1,
        count,
        1,
    ]);
});
