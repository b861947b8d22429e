/** Escape sequences of terminals (ECMA-48): colours and the like, and what sets titles and links. */
const TERMINAL = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-Z\\^-~])/g;
/** What turns the text after it round (Unicode's bidirectional algorithm): a name could show as another. */
const TURNING = /[\u202a-\u202e\u2066-\u2069]/g;
const EITHER = /[\x1b\u202a-\u202e\u2066-\u2069]/;

/** A text as it is to be read, and copied: without colours for terminals, and with a visible escape for what would turn it round. */
export function legible(text: string): string {
    if (!EITHER.test(text)) return text;
    return text.replace(TERMINAL, "").replace(TURNING, (c) => `\\u${c.charCodeAt(0).toString(16)}`);
}
