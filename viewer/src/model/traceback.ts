import { type Token, tokens } from "./python";

export type LineKind = "code" | "here" | "error" | "added" | "removed" | "hint" | "place" | "rule" | "head" | "text";

export interface Line {
    kind: LineKind;
    tokens: Token[];
}

const plain = (text: string): Token[] => [{ kind: "", text }];
const PLACE = /^(.+?:\d+): ?(.*)$/;
const PYTHON_FRAME = /^\s+File ".*", line \d+/;

/** The lines of a failure as pytest prints it (long and short style), or of a Python traceback. */
export function lines(stacktrace: string): Line[] {
    return stacktrace.replace(/\n+$/, "").split("\n").map(line);
}

function line(text: string): Line {
    if (/^E( |$)/.test(text)) return explained(text);
    if (/^>( |$)/.test(text)) return { kind: "here", tokens: [{ kind: "", text: ">" }, ...tokens(text.slice(1))] };
    if (/^([_=-] ?){10,}$/.test(text) || /^[_=]{3,} .* [_=]{3,}$/.test(text))
        return { kind: "rule", tokens: plain(text) };
    if (PYTHON_FRAME.test(text)) return { kind: "place", tokens: plain(text) };
    if (/^(Traceback \(most|The above exception|During handling)/.test(text))
        return { kind: "head", tokens: plain(text) };
    if (/^\S/.test(text) && PLACE.test(text)) return { kind: "place", tokens: plain(text) };
    if (/^(\s|@|def |class |async def )/.test(text)) return { kind: "code", tokens: tokens(text) };
    return { kind: "text", tokens: plain(text) };
}

function explained(text: string): Line {
    const rest = text.replace(/^E {0,3}/, "").trimStart();
    // "+  where" is pytest's explanation of a value, no added line.
    const kind = /^\+ {2}(where|and) /.test(rest)
        ? "error"
        : rest.startsWith("+ ")
          ? "added"
          : rest.startsWith("- ")
            ? "removed"
            : rest.startsWith("? ")
              ? "hint"
              : "error";
    return { kind, tokens: plain(text) };
}
