import { useMemo } from "preact/hooks";
import { legible } from "../model/legible";
import { lines } from "../model/traceback";

/** A failure's text in colours of the page's own, so that what is copied of it is the text and nothing else. */
export function Traceback({ text }: { text: string }) {
    const parsed = useMemo(() => lines(legible(text)), [text]);
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
