export type TokenKind = "" | "keyword" | "string" | "number" | "comment" | "name";

export interface Token {
    kind: TokenKind;
    text: string;
}

const KEYWORDS = new Set(
    (
        "False None True and as assert async await break class continue def del elif else except finally for from global if import " +
        "in is lambda nonlocal not or pass raise return try while with yield match case self"
    ).split(" "),
);
const TOKEN =
    /(#.*$)|([rbfuRBFU]{0,2}(?:"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?))|(\b\d[\w.]*)|([A-Za-z_]\w*)(?=(\s*\()?)|([^\w#"']+)/g;

/** One line of Python, for colours only: strings over several lines are not followed. */
export function tokens(line: string): Token[] {
    const result: Token[] = [];
    for (const match of line.matchAll(TOKEN)) {
        const [text, comment, string, number, word, call] = match;
        const kind = comment ? "comment" : string ? "string" : number ? "number" : word ? wordKind(word, call) : "";
        result.push({ kind, text });
    }
    return result;
}

function wordKind(word: string, call: string | undefined): TokenKind {
    return KEYWORDS.has(word) ? "keyword" : call ? "name" : "";
}
