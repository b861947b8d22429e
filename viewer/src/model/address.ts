/** All that a view is made of, as the address bar holds it: a link shows the same to others. */
export interface Address {
    run?: string;
    view?: string;
    q?: string;
    sort?: string;
    test?: string;
    span?: string;
    with?: string;
    kind?: string;
    by?: string;
    zoom?: string;
    trace?: string;
}

const KEYS = ["run", "view", "q", "sort", "test", "span", "with", "kind", "by", "zoom", "trace"] as const;

export type Change = { [key in (typeof KEYS)[number]]?: string | undefined };

/** The fragment of an address; what is not known in it is left out. */
export function parse(fragment: string): Address {
    const given = new URLSearchParams(fragment.replace(/^#/, ""));
    const address: Address = {};
    for (const key of KEYS) {
        const value = given.get(key);
        if (value) address[key] = value;
    }
    return address;
}

export function fragment(address: Change): string {
    const parts = new URLSearchParams();
    for (const key of KEYS) if (address[key]) parts.set(key, address[key]);
    // Readable where an address allows it; the parser takes both.
    return `#${parts.toString().replace(/%3A/g, ":").replace(/%2F/g, "/").replace(/%2C/g, ",").replace(/%5B/g, "[").replace(/%5D/g, "]")}`;
}

export function changed(address: Address, change: Change): Address {
    return parse(fragment({ ...address, ...change }));
}

/** The token that `pytest-otlp view` put into the fragment, and the fragment without it. */
export function takeToken(given: string): { token: string | null; rest: string } {
    const parts = new URLSearchParams(given.replace(/^#/, ""));
    return { token: parts.get("token"), rest: fragment(parse(given)) };
}
