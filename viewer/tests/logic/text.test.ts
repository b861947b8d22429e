import { describe, expect, test } from "vitest";
import { changed, fragment, parse, takeToken } from "../../src/model/address";
import { quoted, rerun } from "../../src/model/command";
import { ago, change, duration, tick, ticks } from "../../src/model/format";
import { legible } from "../../src/model/legible";
import { tokens } from "../../src/model/python";
import { lines } from "../../src/model/traceback";
import { tableOf } from "./table";

describe("the address", () => {
    const full = {
        run: "a/b c&d#e",
        view: "tests",
        q: 'outcome:failed "two words" [eur] ü%',
        sort: "-duration",
        test: "12",
    };
    test("holds the view and gives it back", () => expect(parse(fragment(full))).toEqual(full));
    test("stays readable", () =>
        expect(fragment({ run: "r", q: "outcome:failed,error file:tests/a[1]" })).toBe(
            "#run=r&q=outcome:failed,error+file:tests/a[1]",
        ));
    test("ignores what it does not know", () => expect(parse("#run=r&evil=1&test=")).toEqual({ run: "r" }));
    test("changes what is said and keeps the rest", () =>
        expect(changed({ run: "r", q: "x" }, { q: undefined, sort: "test" })).toEqual({ run: "r", sort: "test" }));
    test("gives the token away only once", () =>
        expect(takeToken("#token=abc&run=r&q=x")).toEqual({ token: "abc", rest: "#run=r&q=x" }));
    test("has no token by itself", () => expect(takeToken("#run=r").token).toBeNull());
});

describe("what a terminal would colour, or what turns a text round", () => {
    test.each([
        ["\x1b[31mred\x1b[0m \x1b[1;38;5;208mx\x1b[m\x1b[2K", "red x"],
        ["\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x1b(B\x1b=c", "abc"],
        ["\u202egnp.exe \u2066", "\\u202egnp.exe \\u2066"],
        ["\u05d0\u200f [31m ü", "\u05d0\u200f [31m ü"],
    ])("%j is shown as %j", (text, shown) => expect(legible(text)).toBe(shown));
    test("a test is shown so, and run again by what pytest knows", () => {
        const odd = tableOf([
            { id: "a\u202e.py::t[\u202ex]", message: "\x1b[31mred", type: "E" },
            { id: "a\u202e.py::u" },
        ]);
        expect([odd.nodeid(0), odd.nodeid(1), odd.message.at(0)]).toEqual([
            "a\\u202e.py::t[\\u202ex]",
            "a\\u202e.py::u",
            "red",
        ]);
        expect(odd.toldNodeid(0)).toBe("a\u202e.py::t[\u202ex]");
        expect(rerun(odd, [0])).toBe("pytest 'a\u202e.py::t[\u202ex]'");
        expect(rerun(odd, [0, 1])).toBe("pytest 'a\u202e.py'");
    });
});

describe("the command that runs tests again", () => {
    const table = tableOf([
        { id: "tests/a.py::test_1" },
        { id: "tests/a.py::test_2[a b]" },
        { id: "b.py::x" },
        { id: "b.py::y" },
        { id: "b.py::x", attempt: 2 },
    ]);
    test("names tests, quoted for a shell", () => expect(rerun(table, [1])).toBe("pytest 'tests/a.py::test_2[a b]'"));
    test("names a file where all of it is meant", () =>
        expect(rerun(table, [0, 2, 3])).toBe("pytest tests/a.py::test_1 b.py"));
    test("names a test once, whatever its attempts", () => expect(rerun(table, [2, 4])).toBe("pytest b.py::x"));
    test("stays as long as a shell takes", () => {
        const many = tableOf(
            Array.from({ length: 2001 }, (_, i) => ({ id: `tests/long.py::test_with_a_long_name[${i}]` })),
        );
        expect(
            rerun(
                many,
                Array.from({ length: 2000 }, (_, i) => i),
            ),
        ).toBe("pytest tests/long.py");
    });
    test.each([
        ["a.py::b", "a.py::b"],
        ["it's", `'it'\\''s'`],
        ["$(rm)", "'$(rm)'"],
        ["a\nb", "'a\nb'"],
        ["", "''"],
    ])("%j is quoted as %j", (word, expected) => expect(quoted(word)).toBe(expected));
});

describe("lengths of time", () => {
    test.each([
        [0, "0"],
        [7, "7 µs"],
        [1234, "1.23 ms"],
        [45_600, "45.6 ms"],
        [999_700, "1.00 s"],
        [12_340_000, "12.3 s"],
        [61_000_000, "1 min 01 s"],
        [3_660_000_000, "1 h 01 min"],
        [-5, "-5 µs"],
    ])("%d µs is %s", (micros, text) => expect(duration(micros)).toBe(text));
    test("marks of an axis have no empty zeros", () =>
        expect([tick(5_000_000), tick(2_500_000), tick(30_000_000), tick(100_000), tick(0)]).toEqual([
            "5 s",
            "2.5 s",
            "30 s",
            "100 ms",
            "0",
        ]));
    test("marks are round and few", () => expect(ticks(0, 47_000_000, 5)).toEqual([0, 1e7, 2e7, 3e7, 4e7]));
    test("ago", () =>
        expect([ago(0, 5e6), ago(0, 59e6), ago(0, 125e6), ago(0, 7300e6), ago(0, 2 * 86400e6)]).toEqual([
            "just now",
            "59 s ago",
            "2 min ago",
            "2 h ago",
            "2 days ago",
        ]));
    test("changes say how much and how many times", () => expect(change(1_000_000, 3_100_000)).toBe("+2.10 s (×3.10)"));
});

describe("a traceback", () => {
    const kinds = (text: string) => lines(text).map((line) => line.kind);
    test("of pytest's long style", () => {
        const text = [
            "    def test_a():",
            "        x = 1",
            ">       assert x == 2",
            "E       assert 1 == 2",
            "E         - 2",
            "E         + 1",
            "E        +  where 1 = f()",
            "",
            "tests/test_a.py:3: AssertionError",
        ].join("\n");
        expect(kinds(text)).toEqual(["code", "code", "here", "error", "removed", "added", "error", "text", "place"]);
    });
    test("of Python", () =>
        expect(
            kinds('Traceback (most recent call last):\n  File "a.py", line 3, in f\n    g()\nValueError: no'),
        ).toEqual(["head", "place", "code", "text"]));
    test.each([
        "<script>alert(1)</script>",
        "E   <img src=x>",
        "    s = 'it''s' + \"a\\\"b\" # c",
        "\u0000\u202e",
        '    x = """open',
        "    'unended",
    ])("keeps every character of %j", (text) => {
        expect(
            lines(text)
                .map((line) => line.tokens.map((token) => token.text).join(""))
                .join("\n"),
        ).toBe(text);
    });
});

test("Python's words are told apart", () => {
    expect(
        tokens("return f(1.5, 'x')  # why")
            .filter((token) => token.kind)
            .map(({ kind, text }) => [kind, text]),
    ).toEqual([
        ["keyword", "return"],
        ["name", "f"],
        ["number", "1.5"],
        ["string", "'x'"],
        ["comment", "# why"],
    ]);
});
