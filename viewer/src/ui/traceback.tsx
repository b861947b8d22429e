import { useMemo } from "preact/hooks";
import { lines } from "../model/traceback";

/** A failure's text in colours; the text itself is untouched, so that it can be copied. */
export function Traceback({ text }: { text: string }) {
    const parsed = useMemo(() => lines(text), [text]);
    return (
        <pre class="traceback" tabIndex={0} role="region" aria-label="Traceback">
            <code>
                {parsed.map((line, i) => (
                    <span key={i} class={`tb-${line.kind}`}>
                        {line.tokens.map((token, j) =>
                            token.kind ? (
                                <span key={j} class={`py-${token.kind}`}>
                                    {token.text}
                                </span>
                            ) : (
                                token.text
                            ),
                        )}
                        {"\n"}
                    </span>
                ))}
            </code>
        </pre>
    );
}
