import { expect, test } from "vitest";
import { problemGroups } from "../../src/model/groups";
import { otherEvents, problems } from "../../src/model/problems";
import type { RunMore, SpanEvent } from "../../src/protocol";

const raised = (type: string, message: string): SpanEvent => ({
    name: "exception",
    time: 0,
    attributes: { "exception.type": type, "exception.message": message, "exception.stacktrace": `E  ${type}` },
});
const more = (said: Partial<RunMore>) => ({ problems: [], events: [], error: "", ...said }) as unknown as RunMore;

test("what could not be collected is a failure, and that pytest stopped for it is none more", () => {
    const run = more({
        exitCode: 2,
        error: "3 errors during collection",
        events: [raised("Interrupted", "3 errors during collection"), { name: "lost", time: 0, attributes: {} }],
        problems: [
            { name: "a.py", events: [raised("SyntaxError", "a")] },
            { name: "b.py", events: [raised("ImportError", "x")] },
            { name: "c.py", events: [raised("ImportError", "x")] },
        ],
    });
    expect(
        problemGroups(problems(run)).map(({ type, message, rows }) => [type, message, rows.map((p) => p.name)]),
    ).toEqual([
        ["ImportError", "x", ["b.py", "c.py"]],
        ["SyntaxError", "a", ["a.py"]],
    ]);
    expect(otherEvents(run).map(({ name }) => name)).toEqual(["lost"]);
});

test("an error of pytest itself is a failure, with or without an exception; an interruption is none", () => {
    const broken = more({ exitCode: 3, error: "broke", events: [raised("RuntimeError", "broke")] });
    expect(problems(broken)).toEqual([
        { name: "pytest", type: "RuntimeError", message: "broke", stacktrace: "E  RuntimeError" },
    ]);
    expect(otherEvents(broken)).toEqual([]);
    expect(problems(more({ exitCode: 4, error: "exit code 4" }))).toEqual([
        { name: "pytest", type: "", message: "exit code 4", stacktrace: "" },
    ]);
    const stopped = more({ exitCode: 2, error: "^C", events: [raised("KeyboardInterrupt", "")] });
    expect([problems(stopped), otherEvents(stopped).length]).toEqual([[], 1]);
    expect(problems(more({ exitCode: 1, error: "2 failed" }))).toEqual([]);
});
