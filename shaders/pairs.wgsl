// The hashed features of a row, one lane's part of them: those that were sent and, with PAIRS, the products of any two of
// them, each with itself among them, which are made here so that only what they are made of crosses the bus. Their order
// and their hashes are those of `src/encoder/cross.rs`.

override PAIRS: bool = false;
// What an index is multiplied by before the next one is mixed in; twin of `examples::pairs::PRIME`.
const PRIME: u32 = 16777619u;

// Where a lane stands among a row's features. Line 0 has those that were sent; line i + 1 the products of feature i with
// feature i and those behind it.
struct Cursor {
    line: u32,
    column: u32,
}

struct Feature {
    index: u32,
    value: f32,
}

// The number of features that were sent of a row.
fn sent(row: u32) -> u32 {
    return words[plan.row_start_at + row + 1u] - words[plan.row_start_at + row];
}

fn is_feature(at: Cursor, count: u32) -> bool {
    return at.column < count;
}

// `ahead` features further, in the order in which they stand; behind the last one the column is `count` or more.
fn advance(start: Cursor, ahead: u32, count: u32) -> Cursor {
    var at = Cursor(start.line, start.column + ahead);
    if !PAIRS {
        return at;
    }
    while at.column >= count && at.line < count {
        at = Cursor(at.line + 1u, at.column - count + at.line);
    }
    return at;
}

fn first_feature(lane: u32, count: u32) -> Cursor {
    return advance(Cursor(0u, 0u), lane, count);
}

fn feature(row: u32, at: Cursor) -> Feature {
    let start = words[plan.row_start_at + row];
    let second = start + at.column;
    if at.line == 0u {
        return Feature(words[plan.index_at + second] & plan.mask, numbers[plan.value_at + second]);
    }
    let first = start + at.line - 1u;
    let hash = (PRIME * words[plan.index_at + first]) ^ words[plan.index_at + second];
    return Feature(hash & plan.mask, numbers[plan.value_at + first] * numbers[plan.value_at + second]);
}
