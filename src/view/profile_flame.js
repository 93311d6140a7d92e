/* Profiles in a browser, without the browser: data, trees, layout, search, words. Nothing here touches a document, so
 * the tests run it as it is. profile_svg.js and profile_page.js draw with it; they are put behind it, in one script.
 *
 * Names in the data come from other people's files: they are only ever used as text.
 */
"use strict";

const Flame = (() => {
    const KINDS = ["native code", "kernel", "made at run time", "script", "native code without a name",
                   "the stack was cut here", ""];
    const CUT = 5, MARK = 6, INLINED = 8;
    const SAME = 0, MORE = 1, LESS = 2, NEW = 3, GONE = 4;

    /* ---- data: see profile_data.h ---- */

    function bytesOf(base64) {
        const text = atob(base64), bytes = new Uint8Array(text.length);
        for (let i = 0; i < bytes.length; i++)
            bytes[i] = text.charCodeAt(i);
        return bytes;
    }

    function reader(bytes) {
        let at = 0;
        const decoder = new TextDecoder();
        function number() {
            let byte = bytes[at++], value = byte & 127;
            for (let scale = 128; byte > 127; scale *= 128) {
                byte = bytes[at++];
                value += (byte & 127) * scale;
            }
            return value;
        }
        function signed() {
            const value = number();
            return value % 2 ? -(value + 1) / 2 : value / 2;
        }
        function raw() {
            const length = number();
            at += length;
            return bytes.subarray(at - length, at);
        }
        return {number, signed, raw, text: () => decoder.decode(raw())};
    }

    function hash(bytes) { /* FNV-1a, as in profile_picture.c */
        let value = 2166136261;
        for (const byte of bytes)
            value = Math.imul(value ^ byte, 16777619);
        return (value ^ value >>> 15) >>> 0;
    }

    function readFunctions(read, header) {
        const modules = [], hues = [], functions = [{name: "", module: "", kind: MARK, inlined: false, color: "#ccc"}];
        const decoder = new TextDecoder();
        for (let left = read.number(); left; left--) {
            const bytes = read.raw();
            modules.push(decoder.decode(bytes));
            hues.push(hash(bytes));
        }
        for (let left = read.number(); left; left--) {
            const bytes = read.raw(), module = read.number(), kind = read.number(), own = hash(bytes);
            functions.push({name: decoder.decode(bytes), module: modules[module], kind: kind % INLINED,
                            inlined: kind >= INLINED, nameHash: own, moduleHash: hues[module]});
        }
        for (const one of functions.slice(1))
            one.color = colorOf(header, one, header.colors);
        return functions;
    }

    function colorOf(header, one, colors) {
        const value = colors === "module" ? one.moduleHash : one.nameHash;
        if (colors === "kind" || one.kind === CUT)
            return header.shades[one.kind][value % header.shades[one.kind].length];
        return header.hues[value % header.hues.length];
    }

    function recolor(data, colors) {
        data.header.colors = colors;
        for (const one of data.functions.slice(1))
            one.color = colorOf(data.header, one, colors);
    }

    function readSamples(read, threads, times) {
        const count = read.number();
        const samples = {count, node: new Uint32Array(count), weight: new Float64Array(count),
                         number: new Float64Array(count), thread: threads ? new Uint32Array(count) : null,
                         time: times ? new Float64Array(count) : null};
        let node = 0, time = 0;
        for (let i = 0; i < count; i++) {
            samples.node[i] = node += read.signed();
            samples.weight[i] = read.number();
            samples.number[i] = read.number();
            if (threads)
                samples.thread[i] = read.number();
            if (times)
                samples.time[i] = time += read.signed();
        }
        return samples;
    }

    function readThreads(read) {
        const threads = [];
        for (let left = read.number(); left; left--)
            threads.push({process: read.number(), thread: read.number(), name: read.text(), processName: read.text()});
        return threads;
    }

    /* A profile: {header, functions, parent, func, threads, samples, before}. Node 0 is the root; a parent has a smaller
     * number than its children; functions are numbered in the order of their names. */
    function decode(base64) {
        const read = reader(bytesOf(base64));
        const header = JSON.parse(read.text());
        const functions = readFunctions(read, header);
        const count = read.number() + 1, parent = new Uint32Array(count), func = new Uint32Array(count);
        for (let i = 1; i < count; i++) {
            parent[i] = i - read.number();
            func[i] = read.number();
        }
        const threads = readThreads(read);
        const samples = readSamples(read, header.threads, header.times);
        const before = header.compared ? readSamples(read, false, false) : null;
        return {header, functions, parent, func, threads, samples, before};
    }

    /* ---- trees ---- */

    /* A growing tree: place(parent, func) finds or makes the child. */
    class Builder {
        constructor() {
            this.parent = [0];
            this.func = [0];
            this.self = [0];
            this.number = [0];
            this.known = new Map();
        }
        add(parent, func) {
            this.parent.push(parent);
            this.func.push(func);
            this.self.push(0);
            this.number.push(0);
            return this.parent.length - 1;
        }
        place(parent, func) {
            const key = parent * 4294967296 + func;
            let node = this.known.get(key);
            if (node === undefined)
                this.known.set(key, node = this.add(parent, func));
            return node;
        }
        tree(functionCount) {
            const tree = {count: this.parent.length, parent: Uint32Array.from(this.parent),
                          func: Uint32Array.from(this.func), self: Float64Array.from(this.self),
                          selfNumber: Float64Array.from(this.number)};
            return finish(tree, functionCount);
        }
    }

    function totals(parent, self) {
        const total = Float64Array.from(self);
        for (let i = total.length - 1; i > 0; i--)
            total[parent[i]] += total[i];
        return total;
    }

    /* Totals, depths, and children in the order of their functions. */
    function finish(tree, functionCount) {
        const {count, parent, func} = tree;
        const start = new Uint32Array(functionCount + 2), order = new Uint32Array(count);
        tree.total = totals(parent, tree.self);
        tree.number = totals(parent, tree.selfNumber);
        tree.child = new Uint32Array(count);
        tree.next = new Uint32Array(count);
        tree.level = new Uint32Array(count);
        tree.depth = 0;
        for (let i = 0; i < count; i++)
            start[func[i] + 1]++;
        for (let i = 0; i <= functionCount; i++)
            start[i + 1] += start[i];
        for (let i = 0; i < count; i++)
            order[start[func[i]]++] = i;
        for (let i = count - 1; i >= 0; i--) {
            const node = order[i];
            if (!node)
                continue;
            tree.next[node] = tree.child[parent[node]];
            tree.child[parent[node]] = node;
        }
        for (let i = 1; i < count; i++) {
            tree.level[i] = tree.level[parent[i]] + 1;
            if (tree.level[i] > tree.depth)
                tree.depth = tree.level[i];
        }
        return tree;
    }

    /* What stands between the root and the outermost frames, for each thread: a number into names. */
    function groupsOf(data, grouping) {
        const names = [""], numbers = new Map(), ofThread = new Uint32Array(Math.max(1, data.threads.length));
        if (!grouping || !data.header.threads)
            return {names, ofThread};
        data.threads.forEach((thread, i) => {
            const name = grouping === "process" ? thread.processName : `${thread.name} ${thread.thread}`;
            if (!name)
                return;
            if (!numbers.has(name)) {
                numbers.set(name, names.length);
                names.push(name);
            }
            ofThread[i] = numbers.get(name);
        });
        return {names, ofThread};
    }

    /* The function that stands for a group in the pictures. */
    function markFor(data, name) {
        data.marks = data.marks || new Map();
        if (!data.marks.has(name)) {
            const bytes = new TextEncoder().encode(name);
            const mark = {name, module: "", kind: MARK, inlined: false, nameHash: hash(bytes), moduleHash: 0};
            mark.color = colorOf(data.header, mark, data.header.colors);
            data.marks.set(name, data.functions.push(mark) - 1);
        }
        return data.marks.get(name);
    }

    /* The tree of the samples that `choice` takes: {grouping: "process" or "thread", thread: its number, from, to: times
     * in ticks}. Each group is a walk of its own over the profile's nodes, so that no table of pairs is needed. */
    function treeOf(data, choice = {}) {
        const groups = groupsOf(data, choice.grouping), builder = new Builder();
        const byGroup = groups.names.map(() => []);
        const {samples} = data;
        for (let i = 0; i < samples.count; i++) {
            const thread = samples.thread ? samples.thread[i] : 0;
            const isOut = (choice.thread !== undefined && thread !== choice.thread) ||
                (choice.from !== undefined && !(samples.time[i] >= choice.from && samples.time[i] < choice.to));
            if (!isOut)
                byGroup[groups.ofThread[thread]].push(i);
        }
        const placed = new Uint32Array(data.parent.length), stamp = new Uint32Array(data.parent.length), path = [];
        function place(node, base, group) {
            let at = base;
            for (; node; node = data.parent[node]) {
                if (stamp[node] === group + 1) {
                    at = placed[node];
                    break;
                }
                path.push(node);
            }
            while (path.length) {
                node = path.pop();
                at = placed[node] = builder.add(at, data.func[node]);
                stamp[node] = group + 1;
            }
            return at;
        }
        byGroup.forEach((members, group) => {
            const base = group && members.length ? builder.add(0, markFor(data, groups.names[group])) : 0;
            for (const i of members) {
                const node = place(samples.node[i], base, group);
                builder.self[node] += samples.weight[i];
                builder.number[node] += samples.number[i];
            }
        });
        if (!data.before)
            return builder.tree(data.functions.length);
        const beforeSelf = [], beforeNumber = [];
        for (let i = 0; i < data.before.count; i++) {
            const node = place(data.before.node[i], 0, 0);
            beforeSelf[node] = (beforeSelf[node] || 0) + data.before.weight[i];
            beforeNumber[node] = (beforeNumber[node] || 0) + data.before.number[i];
        }
        const tree = builder.tree(data.functions.length);
        tree.beforeTotal = totals(tree.parent, Float64Array.from(tree.parent, (_, i) => beforeSelf[i] || 0));
        tree.beforeNumber = totals(tree.parent, Float64Array.from(tree.parent, (_, i) => beforeNumber[i] || 0));
        return tree;
    }

    /* The nodes of a function that are not called, however far, by itself: their totals add up. */
    function outermost(tree, func) {
        const inside = new Uint8Array(tree.count), found = [];
        for (let i = 1; i < tree.count; i++) {
            inside[i] = inside[tree.parent[i]];
            if (tree.func[i] === func && !inside[i]) {
                inside[i] = 1;
                found.push(i);
            }
        }
        return found;
    }

    /* One function: who calls it (a tree from it outwards) and what it calls. */
    function sandwich(data, tree, func) {
        const callers = new Builder(), callees = new Builder();
        const top = callers.place(0, func), bottom = callees.place(0, func);
        const copy = new Uint32Array(tree.count);
        for (const node of outermost(tree, func)) {
            let at = top;
            for (let up = tree.parent[node]; up; up = tree.parent[up])
                at = callers.place(at, tree.func[up]);
            callers.self[at] += tree.total[node];
            callers.number[at] += tree.number[node];
            copy[node] = bottom;
        }
        for (let i = 1; i < tree.count; i++) {
            if (!copy[i] && copy[tree.parent[i]])
                copy[i] = callees.place(copy[tree.parent[i]], tree.func[i]);
            if (copy[i]) {
                callees.self[copy[i]] += tree.self[i];
                callees.number[copy[i]] += tree.selfNumber[i];
            }
        }
        return {callers: callers.tree(data.functions.length), callees: callees.tree(data.functions.length)};
    }

    /* Each function's own and total weight; recursion counts once. */
    function table(data, tree) {
        const self = new Float64Array(data.functions.length), total = new Float64Array(data.functions.length);
        const open = new Uint32Array(data.functions.length), path = [];
        for (let node = tree.child[0]; node;) {
            const func = tree.func[node];
            self[func] += tree.self[node];
            if (!open[func]++)
                total[func] += tree.total[node];
            path.push(func);
            if (tree.child[node]) {
                node = tree.child[node];
                continue;
            }
            for (;;) {
                open[path.pop()]--;
                if (tree.next[node]) {
                    node = tree.next[node];
                    break;
                }
                node = tree.parent[node];
                if (!node)
                    break;
            }
        }
        const rows = [];
        for (let func = 1; func < total.length; func++) {
            if (total[func] && data.functions[func].kind !== MARK)
                rows.push({func, self: self[func], total: total[func]});
        }
        return rows;
    }

    /* ---- layout ---- */

    /* Calls draw(node, level, x, width) for all frames of a subtree that are at least `least` wide, in the units of
     * `width`; those above the subtree have the whole width. `weights`: tree.total, or tree.beforeTotal. */
    function layout(tree, root, width, least, draw, weights = tree.total) {
        const whole = weights[root];
        for (let up = root; up !== 0;) {
            up = tree.parent[up];
            draw(up, tree.level[up], 0, width);
        }
        if (!whole)
            return;
        const scale = width / whole, nodes = [root], places = [0];
        while (nodes.length) {
            const node = nodes.pop(), x = places.pop();
            draw(node, tree.level[node], x * scale, weights[node] * scale);
            let at = x;
            for (let child = tree.child[node]; child; child = tree.next[child]) {
                if (weights[child] * scale >= least) {
                    nodes.push(child);
                    places.push(at);
                }
                at += weights[child];
            }
        }
    }

    /* As many characters of a name as fit, or "". */
    function fit(name, width, characterWidth) {
        const room = Math.floor((width - 6) / characterWidth);
        if (room < 3)
            return "";
        if (name.length <= room)
            return name;
        const characters = Array.from(name);
        return characters.length <= room ? name : characters.slice(0, room - 2).join("") + "..";
    }

    /* ---- search ---- */

    /* A pattern as a test of names; small letters alone find large ones, too. null: not a regular expression. */
    function matcher(pattern) {
        try {
            return new RegExp(pattern, pattern === pattern.toLowerCase() ? "iu" : "u");
        } catch (_) {
            return null;
        }
    }

    /* Which functions match: a byte for each. */
    function matches(data, pattern) {
        const expression = pattern ? matcher(pattern) : null;
        return expression ? Uint8Array.from(data.functions, (one, i) => i && expression.test(one.name) ? 1 : 0) : null;
    }

    /* The weight below `root` of what has a matching frame in its stack; each sample once. */
    function matchedWeight(tree, root, found, weights = tree.total) {
        let sum = 0;
        const nodes = [root];
        while (nodes.length) {
            const node = nodes.pop();
            if (node && found[tree.func[node]]) {
                sum += weights[node];
                continue;
            }
            for (let child = tree.child[node]; child; child = tree.next[child])
                nodes.push(child);
        }
        return sum;
    }

    /* ---- comparisons: as in base/profile_tree.c ---- */

    function differs(now, nowAll, before, beforeAll) {
        const sum = now + before, side = nowAll / (nowAll + beforeAll);
        if (!sum || !nowAll || !beforeAll)
            return false;
        const distance = Math.abs(now - sum * side) - 0.5;
        return distance > 0 && distance * distance > 2.576 * 2.576 * sum * side * (1 - side);
    }

    function shareChange(tree, node) {
        return (tree.total[0] ? tree.total[node] / tree.total[0] : 0) -
            (tree.beforeTotal[0] ? tree.beforeTotal[node] / tree.beforeTotal[0] : 0);
    }

    function changeOf(data, tree, node) {
        const change = shareChange(tree, node);
        if (!change || (data.header.sampled && !differs(tree.number[node], tree.number[0], tree.beforeNumber[node],
                                                        tree.beforeNumber[0])))
            return SAME;
        if (!tree.beforeTotal[node] || !tree.total[node])
            return tree.beforeTotal[node] ? GONE : NEW;
        return change > 0 ? MORE : LESS;
    }

    function changeColor(data, tree, node) {
        const size = Math.abs(shareChange(tree, node));
        return data.header.changes[changeOf(data, tree, node)][[0.002, 0.01, 0.05].filter((step) => size >= step).length];
    }

    /* ---- words ---- */

    function grouped(number) { return String(Math.round(number)).replace(/\B(?=(\d{3})+$)/g, ","); }

    function scaled(number, units) {
        const [size, name] = units.find(([least]) => number >= least) || units[units.length - 1];
        return `${size > 1 ? Number((number / size).toPrecision(4)) : number} ${name}`;
    }

    function amount(weight, unit) {
        if (unit === "ns" || unit === "nanoseconds")
            return scaled(weight, [[1e9, "s"], [1e6, "ms"], [1e3, "us"], [1, "ns"]]);
        if (unit === "bytes")
            return scaled(weight, [[1 << 30, "GB"], [1 << 20, "MB"], [1 << 10, "KB"], [1, "bytes"]]);
        return `${grouped(weight)} ${weight === 1 ? unit.replace(/(.)s$/, "$1") : unit}`;
    }

    function percent(share) { return (share * 100).toFixed(2); }

    /* The 95 % interval of part of whole samples (Wilson's). */
    function interval(part, whole) {
        const z = 1.96;
        if (!whole)
            return [0, 1];
        const share = part / whole, scale = 1 + z * z / whole, middle = (share + z * z / (2 * whole)) / scale;
        const half = z * Math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole)) / scale;
        return [part ? Math.max(0, middle - half) : 0, part >= whole ? 1 : Math.min(1, middle + half)];
    }

    /* The lines that tell all about a node. */
    function about(data, tree, node) {
        const {header, functions} = data, one = functions[tree.func[node]];
        const share = tree.total[0] ? tree.total[node] / tree.total[0] : 0;
        let line = `${amount(tree.total[node], header.unit)}, ${percent(share)} %`;
        if (header.sampled && node) {
            const [low, high] = interval(tree.number[node], tree.number[0]);
            line += ` (95 %: ${percent(low)} to ${percent(high)})`;
        }
        if (tree.self[node] && node)
            line += `; self ${amount(tree.self[node], header.unit)}`;
        const lines = [node ? one.name : "all", line];
        if (tree.beforeTotal && node)
            lines.push(aboutChange(data, tree, node));
        if (node && one.kind !== MARK)
            lines.push(KINDS[one.kind] + (one.inlined ? ", inlined" : "") + (one.module ? `, ${one.module}` : ""));
        return lines;
    }

    function aboutChange(data, tree, node) {
        const before = tree.beforeTotal[node], share = tree.beforeTotal[0] ? before / tree.beforeTotal[0] : 0;
        const words = ["within noise", "more", "less", "new", "gone"][changeOf(data, tree, node)];
        const change = shareChange(tree, node) * 100;
        return `before: ${amount(before, data.header.unit)}, ${percent(share)} %; ` +
            `${change >= 0 ? "+" : ""}${change.toFixed(2)} points, ${words}`;
    }

    /* ---- state in the address: #name=value&... ---- */

    function readState(hashText) {
        const state = {};
        for (const part of hashText.replace(/^#/, "").split("&")) {
            const at = part.indexOf("=");
            if (at < 1)
                continue;
            try {
                state[part.slice(0, at)] = decodeURIComponent(part.slice(at + 1));
            } catch (_) { /* half a character: as if it were not there */
            }
        }
        return state;
    }

    function writeState(state) {
        const parts = Object.keys(state).filter((name) => state[name] !== undefined && state[name] !== "")
            .map((name) => `${name}=${encodeURIComponent(state[name])}`);
        return parts.length ? `#${parts.join("&")}` : "";
    }

    return {decode, treeOf, sandwich, table, outermost, layout, fit, matcher, matches, matchedWeight, differs, changeOf,
            changeColor, amount, percent, interval, about, readState, writeState, recolor, grouped, KINDS, CUT, MARK};
})();
