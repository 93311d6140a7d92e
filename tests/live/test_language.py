"""What expressions, statements and maps give, in the kernel: small programs with the exact output beside them.

Each case is a BEGIN block; many of them are one run, so that slow machines manage too. Map names get the number of the
case, so cases do not meet; the blocks run one after the other, each behind a line that names it.
"""
import os
import re
import subprocess

import pytest

from conftest import TARSIER

LONG = "x" * 300
INT64_MIN, INT64_MAX, UINT64_MAX = -2**63, 2**63 - 1, 2**64 - 1


def lines(*values):
    return "".join(f"{value}\n" for value in values)


CASES = {
    # ---- integers: operators, signs, edges
    "literals": ("print(0x1f); print(0777); print(1e6); print(1_000); print(0xffffffffffffffff);",
                 lines(31, 511, 1000000, 1000, UINT64_MAX)),
    "durations": ("print(1us); print(2ms); print(3s);", lines(1000, 2000000, 3000000000)),
    "precedence-arithmetic": ("print(2 + 3 * 4); print((2 + 3) * 4); print(20 - 6 - 4); print(2 * 7 % 4);",
                              lines(14, 20, 10, 2)),
    "precedence-bits": ("print(1 | 2 ^ 3 & 2); print(1 << 2 + 1); print(6 & 3 == 3);", lines(1, 8, 0)),
    "precedence-logic": ("print(0 || 1 && 0); print(1 || 0 && 0); print(!0 && 1); print(1 ? 0 ? 1 : 2 : 3);",
                         lines("false", "true", "true", 2)),
    "wrap-add": ("$x = (int64)9223372036854775807; $x += 1; print($x);", lines(INT64_MIN)),
    "wrap-unsigned": ("$x = (uint64)0; $x += 0xffffffffffffffff; print($x); $x += 1; print($x);", lines(UINT64_MAX, 0)),
    "negation-is-signed": ('$big = ~(uint64)75; print(-("a" == "b") < $big); print(-0 < $big); print(-(21 <= 1) < $big);',
                           lines("false", "true", "false")),
    "subtraction-is-signed": ("$x = (uint64)3; print($x - 5);", lines(-2)),
    "subtraction-as-unsigned": ('printf("%d %lu\\n", (uint64)3 - (uint64)5, (uint64)3 - (uint64)5);',
                                lines("-2 18446744073709551614")),
    "multiply": ("$x = (int64)-7; print($x * 6); $y = (uint64)1 << 63; print($y * 2);", lines(-42, 0)),
    "divide-signed": ("$x = (int64)-7; print($x / 2); print($x % 2); print($x / -2); print(7 / (int64)-2);",
                      lines(-3, -1, 3, -3)),
    "divide-unsigned": ("$x = (uint64)0xffffffffffffffff; print($x / 2); print($x % 10); $x /= 2; print($x);",
                        lines(INT64_MAX, 5, INT64_MAX)),
    "divide-least": ("$x = (int64)-9223372036854775807 - 1; $y = (int64)-1; print($x / $y); print($x % $y);",
                     lines(INT64_MIN, 0)),
    "divide-powers": ("$x = (int64)-9; print($x / 8); print($x % 8); print($x / 1); print($x % 1);",
                      lines(-1, -1, -9, 0)),
    "divide-by-zero": ("$z = (int64)0; print(5 / $z); print(5 % $z); $x = (int64)8; $x /= $z; print($x);",
                       lines(1, 1, 1)),
    "shift-right": ("$x = (int64)-16; print($x >> 2); $y = (uint64)0xfffffffffffffff0; print($y >> 60); $y >>= 63; "
                    "print($y);", lines(-4, 15, 1)),
    "shift-left": ("$n = (int64)63; print((int64)1 << $n); print((uint64)1 << $n); $x = (int64)3; $x <<= 4; print($x);",
                   lines(INT64_MIN, 2**63, 48)),
    "shift-modulo": ("$n = (int64)64; $x = (int64)5; print($x << $n); print($x >> ($n + 1));", lines(5, 2)),
    "bits": ("$x = (int64)12; print($x & 10); print($x | 3); print($x ^ 10); print(~$x); print(~(uint64)0);",
             lines(8, 15, 6, -13, UINT64_MAX)),
    "negate": ("$x = (int64)5; print(-$x); $y = (uint64)5; print(-$y); print(-(-$x)); print(!$x); print(!!$x);",
               lines(-5, -5, 5, "false", "true")),
    "compare-signed": ("$x = (int64)-1; print($x < 0); print($x < 1); print($x >= -1); print($x > 5);",
                       lines("true", "true", "true", "false")),
    "compare-unsigned": ("$x = (uint64)0xffffffffffffffff; print($x > 5); print($x < 5); print(5 < $x); print($x <= 0);",
                         lines("true", "false", "true", "false")),
    "compare-mixed": ("$u = (uint64)5; $i = (int64)-1; print($u > $i); $a = (uint8)3; $b = (int8)-3; print($a < $b);",
                      lines("true", "false")),
    "compare-equal": ("$x = (int64)-1; $y = (uint64)0xffffffffffffffff; print($x == $y); print($x != $y);",
                      lines("true", "false")),
    "casts-narrow": ("print((int8)200); print((uint8)-1); print((int16)0x18000); print((uint16)70000); "
                     "print((int32)0x80000000); print((uint32)-1);", lines(-56, 255, -32768, 4464, -2**31, 2**32 - 1)),
    "casts-of-values": ("$x = (int64)-2; print((uint8)$x); print((int8)$x); print((uint32)$x); print((uint64)$x); "
                        "$y = (uint64)0xff; print((int8)$y);", lines(254, -2, 2**32 - 2, 2**64 - 2, -1)),
    "variables-narrow": ("$x = (uint8)255; print($x); $y = (int8)-128; print($y); print($x + $y);", lines(255, -128, 127)),
    "logic-values": ("$x = (int64)3; print($x && 0); print($x || 0); print($x && 5); print(0 || 0);",
                     lines("false", "true", "true", "false")),
    "logic-is-lazy": ("$x = (int64)0; if (0 && $x++) { print(9); } if (1 || $x++) { print($x); } if (1 && ++$x) { "
                      "print($x); }", lines(0, 1)),
    "ternary": ("$x = (int64)5; print($x > 3 ? $x : -1); print($x > 9 ? $x : -1); print($x ? 1 : 0);", lines(5, -1, 1)),
    "ternary-nested": ("$x = (int64)2; print($x == 1 ? 10 : $x == 2 ? 20 : 30); print(($x == 1 ? 0 : 1) ? 7 : 8);",
                       lines(20, 7)),
    "compound": ("$x = (int64)10; $x += 5; print($x); $x -= 20; print($x); $x *= -3; print($x); $x /= 4; print($x); "
                 "$x %= 2; print($x); $x |= 6; print($x); $x &= 3; print($x); $x ^= 1; print($x);",
                 lines(15, -5, 15, 3, 1, 7, 3, 2)),
    "increments": ("$x = (int64)5; print($x++); print($x); print(++$x); print($x--); print(--$x);", lines(5, 6, 7, 7, 5)),
    "increments-in-order": ('$x = (int64)1; printf("%d %d %d\\n", $x++, $x++ + $x, ++$x);', lines("1 5 4")),
    "increments-wrap": ("$x = (uint64)0xffffffffffffffff; $x++; print($x);", lines(0)),
    "booleans": ("$b = true; print($b); $b = false; print($b); print(1 == 1); print((int64)true + 1);",
                 lines("true", "false", "true", 2)),
    "sizeof": ('print(sizeof(int8)); print(sizeof(uint32)); print(sizeof(uint64)); $x = (int16)3; print(sizeof($x));',
               lines(1, 4, 8, 2)),
    "enough-operands": ("$x = (int64)1; print(" + " + ".join(f"($x > {i} ? {i} : 1)" for i in range(60)) + ");",
                        lines(59)),
    "deep-parentheses": ("$x = (int64)1; print(" + "($x + " * 40 + "0" + ")" * 40 + ");", lines(40)),
    "many-conditions": ("$x = (int64)7; if (" + " && ".join(f"$x != {100 + i}" for i in range(60)) + ") { print(1); }",
                        lines(1)),

    # ---- strings
    "strings": ('$s = "abc"; print($s); print("");  print("a b"); print($s == "abc"); print($s != "abd");',
                lines("abc", "", "a b", "true", "true")),
    "escapes": (r'print("\x41\101\t\"\\");', lines('AA\t"\\')),
    "string-lengths": ('$s = "abcdefg"; print($s == "abcdefgh"); print($s == "abcdef"); print($s == "abcdefg"); '
                       '$t = "abcdefgh"; print($t == "abcdefgh"); print($t == "abcdefg"); print($t == "abcdefghi");',
                       lines("false", "false", "true", "true", "false", "false")),
    "strings-of-variables": ('$a = "same"; $b = "same"; $c = "a longer one, longer than that"; print($a == $b); '
                             'print($a == $c); print($c != $a); print($c == $c);', lines("true", "false", "true", "true")),
    "string-grows": ('$s = "ab"; print($s); $s = "a much longer text than before"; print($s); $s = "c"; print($s); '
                     'print($s == "c");', lines("ab", "a much longer text than before", "c", "true")),
    "strncmp": ('$s = "abcdef"; print(strncmp($s, "abcxyz", 3)); print(strncmp($s, "abcxyz", 4)); '
                'print(strncmp("abd", $s, 2)); print(strncmp($s, "abcdef", 100)); print(strncmp($s, "abcdefg", 7)); '
                'print(strncmp($s, "zzz", 0));', lines(0, 1, 0, 0, 1, 0)),
    "strncmp-of-variables": ('$a = "prefix-one"; $b = "prefix-two"; print(strncmp($a, $b, 7)); print(strncmp($a, $b, 8)); '
                             'print(strncmp($a, $b, 64));', lines(0, 1, 1)),
    "string-ternary": ('$x = (int64)1; print($x ? "yes" : "no"); $s = $x == 2 ? "short" : "a longer text"; print($s); '
                       'print(($x ? "a" : "bb") == "a");', lines("yes", "a longer text", "true")),
    "string-character": ('$s = "abc"; print($s[1]); $i = (int64)2; print($s[$i]);', lines(98, 99)),
    "string-long": (f'$s = "{LONG}"; print($s); print($s == "{LONG}"); @k[$s] = 5; print(@k[$s]); print(@k["{LONG}"]); '
                    f'print(@k["{LONG[1:]}"]); @v[1] = $s; print(@v[1] == $s);', lines(LONG, "true", 5, 5, 0, "true")),
    "string-64": ('$s = "' + "y" * 64 + '"; @a[$s] = $s; print(@a[$s]); print(@a[$s] == "' + "y" * 64 + '");',
                  lines("y" * 64, "true")),
    "string-of-null": ("print(str(0)); $s = str(0); print($s == \"\");", lines("", "true")),
    "comm": ('$c = comm; print($c == comm); print(comm == $c); print(strncmp(comm, $c, 16)); @c[comm] = 1; print(@c[$c]); '
             'print(comm == "a"); print(comm == "no such name at all");',
             lines("true", "true", 0, 1, "false", "false")),
    "comm-beside": ('$a = (int64)7; $b = (int64)8; if (comm != "ab") { printf("%d %d\\n", $a, $b); }', lines("7 8")),

    # ---- tuples
    "tuple": ('$t = (1, "two", 3); print($t); print($t.0); print($t.1); print($t.2 + 1);', lines("(1, two, 3)", 1, "two", 4)),
    "tuple-nested": ('$t = ((1, "a"), (2, (3, "four"))); print($t); print($t.0.1); print($t.1.1.1); print($t.1); '
                     'print(($t.0, 5));', lines("((1, a), (2, (3, four)))", "a", "four", "(2, (3, four))", "((1, a), 5)")),
    "tuple-grows": ('$t = (1, (2, "x")); $t = (3, (4, "a longer text")); print($t); $t = (5, (6, "y")); print($t);',
                    lines("(3, (4, a longer text))", "(5, (6, y))")),
    "tuple-20": ("$t = (" + ", ".join(str(i) for i in range(19)) + ', "end"); print($t); print($t.18); print($t.19); '
                 "@k[$t] = 1; print(@k[$t]);",
                 lines("(" + ", ".join(str(i) for i in range(19)) + ", end)", 18, "end", 1)),
    "tuple-mixed-sizes": ('$t = ((int8)-1, (uint16)65535, (int32)-2, (uint64)1); print($t); $u = (true, (int8)5); print($u);',
                          lines("(-1, 65535, -2, 1)", "(true, 5)")),
    "tuple-of-itself": ('$t = (1, "a", (2, 3)); while ($t.0 < 4) { $t = ($t.0 + 1, $t.1 == "a" ? "bb" : "a", (4, $t.2.1 + 1)); } '
                        'print($t); $t = ($t.2.1, $t.1, ($t.0, 0)); print($t);', lines("(4, bb, (4, 6))", "(6, bb, (4, 0))")),
    "tuple-in-map": ('@t[1] = (1, "a"); print(@t[1]); print(@t[1].1); print(@t[2].0); @t[1] = (2, "longer than before"); '
                     'print(@t[1]);', lines("(1, a)", "a", 0, "(2, longer than before)")),

    # ---- control flow
    "if-chain": ("$x = (int64)3; if ($x == 1) { print(1); } else if ($x == 2) { print(2); } else if ($x == 3) { print(3); } "
                 "else { print(4); }", lines(3)),
    "if-nested": ("$x = (int64)3; if ($x > 1) { if ($x > 5) { print(1); } else { print(2); } } else { print(3); }", lines(2)),
    "while": ("$i = (int64)0; while ($i < 5) { $i++; if ($i == 2) { continue; } if ($i == 4) { break; } print($i); } "
              "print($i);", lines(1, 3, 4)),
    "while-never": ("$i = (int64)9; while ($i < 5) { print($i); } print($i);", lines(9)),
    "while-long": ("$i = (int64)0; $s = (int64)0; while ($i < 100000) { $i++; if ($i % 3 == 0) { $s += $i; } else { $s--; } } "
                   "print($s);", lines(sum(i if i % 3 == 0 else -1 for i in range(1, 100001)))),
    "while-nested": ("$i = (int64)0; $n = (int64)0; while ($i < 10) { $i++; $j = (int64)0; while (1) { $j++; $n++; "
                     "if ($j >= $i) { break; } } } print($n);", lines(55)),
    "while-divides": ("$v = (int64)3; $i = (int64)0; while ($i < 4) { $i++; $v = ($v ? $v : 1) > (++$v >= 9) ? $v : $i % $v; "
                      "} print($v);", lines(7)),
    "for": ("for $i : 0..3 { print($i); } for $i : -2..0 { print($i); }", lines(0, 1, 2, -2, -1)),
    "for-none": ("for $i : 3..3 { print($i); } for $i : 5..1 { print($i); } $a = (int64)4; for $i : $a..4 { print($i); } "
                 "print(\"end\");", lines("end")),
    "for-captures": ("$s = (int64)0; $t = \"\"; for $i : 1..11 { $s += $i; if ($i == 10) { $t = \"ten\"; } } print($s); "
                     "print($t);", lines(55, "ten")),
    "for-bounds-once": ("$n = (int64)3; $c = (int64)0; for $i : 0..$n { $n++; $c++; } print($c); print($n);", lines(3, 6)),
    "for-nested": ('for $i : 0..3 { for $j : 0..3 { if ($j == 1) { continue; } if ($i == 1) { break; } '
                   'printf("%d%d ", $i, $j); } } printf("\\n");', lines("00 02 20 22 ")),
    "for-deep": ("$n = (int64)0; for $a : 0..3 { for $b : 0..3 { for $c : 0..3 { for $d : 0..3 { $n += $a * $d; } } } } "
                 "print($n);", lines(81)),
    "for-long": ("$n = (int64)0; for $i : 0..200000 { $n += $i & 1; } print($n);", lines(100000)),
    "return-in-for": ("for $i : 0..10 { if ($i == 3) { print($i); return; } } print(\"not reached\");", lines(3)),
    "return-in-nest": ("for $i : 0..10 { unroll (2) { $j = (int64)0; while ($j < 5) { $j++; if ($i == 1) { print($j); "
                       "return; } } } print($i); } print(\"not reached\");", lines(0, 1)),
    "unroll": ("$i = (int64)1; unroll (5) { $i *= 2; if ($i == 4) { continue; } if ($i == 16) { break; } print($i); } "
               "print($i);", lines(2, 8, 16)),
    "unroll-of-for": ("$n = (int64)0; unroll (20) { for $i : 0..2 { $n++; } } print($n);", lines(40)),
    "for-of-unroll": ("$n = (int64)0; for $i : 0..4 { unroll (3) { if ($i == 1) { break; } if ($i == 2) { continue; } "
                      "$n++; } } print($n);", lines(6)),
    "let": ("let $x; print($x); let $y: uint8 = 7; print($y); { let $z = 3; print($z); }", lines(0, 7, 3)),

    # ---- maps
    "map-scalar": ("print((int64)@m); @m = 5; print((int64)@m); @m += 3; @m -= 10; print((int64)@m); @m *= 7; @m /= 2; print((int64)@m); "
                   "@m <<= 2; @m >>= 1; @m |= 1; @m &= 3; @m ^= 5; print((int64)@m);",
                   lines(0, 5, -2, -7, 6)),
    "map-scalar-increments": ("$a = @m++; print($a); $a = ++@m; print($a); $a = @m--; print($a); $a = --@m; print($a);",
                              lines(0, 2, 2, 0)),
    "map-keyed": ("print(@m[1]); @m[1] = 5; @m[2] = 6; print(@m[1]); print(@m[2]); @m[1] += 2; print(@m[1]); @m[1] *= 3; "
                  "print(@m[1]); @m[1] -= 1; @m[1] /= 4; @m[1] %= 3; print(@m[1]); @m[3] += 1; print(@m[3]);",
                  lines(0, 5, 6, 7, 21, 2, 1)),
    "map-keyed-bits": ("@m[1] = 12; @m[1] &= 10; print(@m[1]); @m[1] |= 3; print(@m[1]); @m[1] ^= 1; print(@m[1]); "
                       "@m[1] <<= 3; print(@m[1]); @m[1] >>= 1; print(@m[1]);", lines(8, 11, 10, 80, 40)),
    "map-keyed-increments": ('print(@m["a"]++); print(++@m["a"]); print(@m["a"]--); print(--@m["a"]); @m["b"]++; '
                             'print(@m["b"]);', lines(0, 2, 2, 0, 1)),
    "map-unsigned": ("@m = (uint64)0xfffffffffffffffe; @m /= 2; print(@m); @k[1] = (uint64)0xfffffffffffffffe; @k[1] >>= 1; "
                     "print(@k[1]);", lines("@m: 9223372036854775807", INT64_MAX)),
    "map-negative": ("@m = -5; print(@m); @k[-1] = -7; print(@k[-1]); print(@k[-1] < 0); print(@k[-1] / 2);",
                     lines("@m: -5", -7, "true", -3)),
    "map-key-once": ("$i = (int64)0; print(@m[$i++]); print($i); print(has_key(@m, $i++)); print($i); @m[$i++] += 4; "
                     "print($i); print(@m[2]);", lines(0, 1, "false", 2, 3, 4)),
    "map-key-kinds": ('@m[1, "ab"] = 1; @m[2, "a much longer key"] = 2; $t = (1, "ab"); print(@m[1, "ab"]); print(@m[$t]); '
                      'print(@m[(2, "a much longer key")]); print(has_key(@m, (1, "ab"))); print(has_key(@m, (1, "abc")));',
                      lines(1, 1, 2, "true", "false")),
    "map-key-strings": ('$s = "abcdefghij"; @m[$s] = 1; $s = "abc"; print(@m["abcdefghij"]); print(@m["abc"]); '
                        '@m["abc"] = 2; print(@m[$s]); print(len(@m));', lines(1, 0, 2, 2)),
    "map-key-nested": ('@m[(1, (2, "x")), 3] = 5; print(@m[(1, (2, "x")), 3]); print(@m[(1, (2, "y")), 3]);', lines(5, 0)),
    "map-key-map": ("@k[1] = 2; @m[2] = 3; print(@m[@k[1]]); @m[@m[@k[1]]] = 9; print(@m[3]);", lines(3, 9)),
    "map-strings": ('@s = "foo"; print(@s == "foo"); @s = "a longer one"; print(@s == "foo"); print(@s == "a longer one"); '
                    '@k[1] = "x"; @k[1] = "yyyyyyyyyyyyyyyyyyyyyyyy"; print(@k[1]); print(@k[2]); print(@k[1] != @k[2]);',
                    lines("true", "false", "true", "yyyyyyyyyyyyyyyyyyyyyyyy", "", "true")),
    "map-print-scalars": ('@s = "foo"; print(@s); @t = (1, "a"); print(@t);', lines("@s: foo", "@t: (1, a)")),
    "map-booleans": ("@b = true; if (@b) { print(1); } @k[1] = true; print(@k[1]); print(@k[2]);", lines(1, "true", "false")),
    "delete": ('@m[1] = 5; @m[2] = 6; print(delete(@m, 1)); print(delete(@m, 1)); print(@m[1]); print(len(@m)); @m[1] = 7; '
               'print(@m[1]); delete(@m[1]); print(has_key(@m, 1));', lines("true", "false", 0, 1, 7, "false")),
    "delete-after-find": ("@m[1] = 5; if (@m[1]) { delete(@m, 1); print(@m[1]); @m[1] = 6; print(@m[1]); @m[1]++; "
                          "print(@m[1]); }", lines(0, 6, 7)),
    "delete-text": ('@m["a", 1] = 5; print(delete(@m, ("a", 2))); print(delete(@m, ("a", 1))); print(len(@m));',
                    lines("false", "true", 0)),
    "has-key-of-zero": ("@m[1] = 0; print(has_key(@m, 1)); print(has_key(@m, 2)); @m[2] += 0; print(has_key(@m, 2));",
                        lines("true", "false", "true")),
    "print-order": ('@m["b"] = 2; @m["a"] = 3; @m["c"] = 1; print(@m); print(@m, 2); print(@m, 1, 2);',
                    "@m[c]: 1\n@m[b]: 2\n@m[a]: 3\n" "@m[b]: 2\n@m[a]: 3\n" "@m[a]: 1\n"),
    "clear": ("@m[1] = 1; print(@m); clear(@m); print(@m); print(len(@m));", lines("@m[1]: 1", 1)),
    "pointer-maps": ("@p = (uint32 *)100; @p++; print((uint64)@p); @p += 2; print((uint64)@p); @k[1] = (uint64 *)8; @k[1]++; "
                     "print((uint64)@k[1]);", lines(104, 112, 16)),

    # ---- aggregates, read in the kernel
    "count": ("@m = count(); @m = count(); print((int64)@m); if (@m > 1) { print(\"more\"); } @k[1] = count(); print(@k[1]); "
              "print(@k[1] + 5);", lines(2, "more", 1, 6)),
    "sum": ('@m = sum(5); @m = sum(-7); print((int64)@m); @k["a"] = sum(-3); @k["a"] = sum(1); print(@k["a"]); '
            "@u = sum((uint64)5); print(@u);", lines(-2, -2, "@u: 5")),
    "min-max": ("@a = min(5); @a = min(-3); @a = min(7); print((int64)@a); @b = max(-9); @b = max(-2); @b = max(-5); "
                "print((int64)@b); @k[1] = min(0); print(@k[1]);", lines(-3, -2, 0)),
    "avg": ("@a = avg(4); @a = avg(7); print((int64)@a); @k[1] = avg(-10); @k[1] = avg(4); print(@k[1]);", lines(5, -3)),
    "stats": ('@m = stats(2); @m = stats(-5); print(@m); @k["x"] = stats(6); print(@k["x"]);',
              lines("@m: { .count = 2, .average = -1, .total = -3 }", "{ .count = 1, .average = 6, .total = 6 }")),
    "stats-keyed-alike": ("@k[1] = sum(5); @k[2] = sum(2); @k[3] = sum(9); print(@k);", "@k[2]: 2\n@k[1]: 5\n@k[3]: 9\n"),

    # ---- memory
    "null-pointer": ("$p = (uint64 *)0; print(*$p); print($p == 0); $q = (uint32 *)8; print(*$q);", lines(0, "true", 0)),
    "pointer-arithmetic": ("$p = (int32 *)0; print($p + 1); $q = $p + 5; print($q - $p); $q++; print($q); $q -= 2; print($q); "
                           "print((uint64)(1 + $q));", lines("0x4", 5, "0x18", "0x10", 20)),
    "pointer-as-number": ("$x = (uint64)curtask; print($x >> 63); print(($x & 7)); print(($x ^ $x) == 0); @m[curtask] = 1; "
                          "print(@m[curtask]); print($x == (uint64)curtask);", lines(1, 0, "true", 1, "true")),
    "task-fields": ("print(curtask->pid == tid); print(curtask->tgid == pid); print(curtask->comm == comm); "
                    "print(curtask->group_leader->tgid == pid); print(curtask->group_leader->group_leader->pid == pid); "
                    "print(curtask->real_parent->tgid > 0); print(curtask->mm->pgd != 0);", lines(*["true"] * 7)),
    "task-in-variable": ("$t = curtask; print($t->pid == tid); $p = $t->real_parent; print($p->tgid > 0); $p = $p->real_parent; "
                         "print($p->tgid >= 0); $u = (struct task_struct *)(uint64)curtask; print($u->pid == tid);",
                         lines(*["true"] * 4)),
    "task-odd-fields": ("print(curtask->in_execve); print(curtask->cpus_mask.bits[0] > 0); print(curtask->se.load.weight > 0); "
                        "print(curtask->comm[0] > 32); $i = (int64)0; print(curtask->comm[$i] == curtask->comm[0]); "
                        "print(curtask->nsproxy->uts_ns->name.sysname);",
                        lines(0, "true", "true", "true", "true", "Linux")),
    "task-no-such-memory": ("$t = (struct task_struct *)0; print($t->pid); print($t->real_parent->pid); print($t->comm);",
                            lines(0, 0, "")),
    "task-in-loop": ("$t = curtask; $n = (int64)0; while ($t->pid != 0 && $n < 100) { $t = $t->real_parent; $n++; } "
                     "print($n > 0 && $n < 100);", lines("true")),
    "task-in-key": ("@m[curtask->tgid, curtask->comm] = 1; print(@m[pid, comm]);", lines(1)),
    "addresses": ("$p = &curtask->pid; print(*$p == tid); print((uint64)&curtask->pid > (uint64)curtask);",
                  lines("true", "true")),
    "kptr": ("print(*kptr((uint32 *)(uint64)&curtask->pid) == tid);", lines("true")),

    # ---- built-ins that can be compared
    "builtins": ("print(pid > 0); print(tid == pid); print(uid); print(gid); print(cpu < ncpus); print(nsecs > 1000); "
                 "print(elapsed > 0); print(rand <= 4294967295); print(jiffies > 0); $a = nsecs; $b = nsecs; print($b >= $a);",
                 lines("true", "true", 0, 0, *["true"] * 6)),
    "stack-depth": ("$s = kstack(3); print(len($s)); @k[kstack] = 1; print(@k[kstack(127)] >= 0); @s = kstack(1); "
                    "print(len(@s));", lines(3, "true", 1)),
    "positional": ('printf("%d %d\\n", $1, $9); print(str($2)); print($#); print($1 + 1); print(str($9));',
                   lines("7 0", "word", 2, 8, "")),

    # ---- printf
    "printf-integers": ('printf("%d %i %u %x %X %o %c|%%\\n", -1, -2, 3, 255, 255, 8, 65);', lines("-1 -2 3 ff FF 10 A|%")),
    "printf-widths": ('printf("%5d|%-5d|%05d|%5s|%-5s|\\n", 42, 42, 42, "ab", "ab");', lines("   42|42   |00042|   ab|ab   |")),
    "printf-lengths": ('printf("%hhx %hx %x %jx %llx %ld\\n", 0x12345678abcdef, 0x12345678abcdef, 0x12345678abcdef, '
                       '0x12345678abcdef, -1, -1);', lines("ef cdef 78abcdef 12345678abcdef ffffffffffffffff -1")),
    "printf-pointer": ('printf("%p %p\\n", 4096, (uint8 *)16);', lines("0x1000 0x10")),
    "printf-any": ('printf("%s %s %s %s\\n", 5, true, (1, "a"), -3);', lines("5 true (1, a) -3")),
    "printf-many": ('printf("' + "%d " * 60 + '\\n"' + "".join(f", nsecs > 0 ? {i} : 0" for i in range(60)) + ");",
                    lines("".join(f"{i} " for i in range(60)))),
    "printf-many-elements": ('@m[1, 2] = 4; printf("' + "%d" * 40 + '\\n"' + ", @m[1, 2]" * 40 + ");", lines("4" * 40)),
    "printf-strings": ('$a = "one"; @b[1] = "two"; printf("%s %s %s %s\\n", $a, @b[1], "three", $a == "one" ? "four" : "no");',
                       lines("one two three four")),

    # ---- large programs
    "many-variables": ("".join(f"$v{i} = (int64){i} + @z;" for i in range(80)) + "print("
                       + " + ".join(f"$v{i}" for i in range(80)) + "); @z = 0;", lines(sum(range(80)))),
    "many-large-variables": ("".join(f'$s{i} = "text number {i} that is long"; ' for i in range(40)) +
                             'printf("%s|%s|%s\\n", $s0, $s20, $s39);',
                             lines("text number 0 that is long|text number 20 that is long|text number 39 that is long")),
    "many-statements": ("$x = (int64)0;" + "".join(f"$x += {i}; @m[{i % 7}] += $x;" for i in range(150)) + "print($x); "
                        "print(@m[3]);",
                        lines(sum(range(150)), sum(sum(range(i + 1)) for i in range(3, 150, 7)))),
    "many-prints": ("".join(f'printf("%d %s\\n", {i}, "x");' for i in range(100)), lines(*[f"{i} x" for i in range(100)])),
}


def expected_bucket(value, bits):
    """The rule of src/base/type.h."""
    if value < 0:
        return 0
    if value < 1 << bits:
        return value + 1
    log2 = value.bit_length() - 1
    if bits == 0:
        return log2 + 2
    return (((log2 - bits + 1) << bits) | ((value >> (log2 - bits)) & ((1 << bits) - 1))) + 1


# ---- running the table ------------------------------------------------------------------------------------------

BATCH = 30


def block(number, program):
    renamed = re.sub(r"@(\w*)", lambda m: f"@c{number}_{m.group(1)}", program)
    return f'BEGIN {{ printf("<<{number}>>\\n"); {renamed} }}\n'


def run_blocks(numbers, environment):
    script = "".join(block(number, list(CASES.values())[number][0]) for number in numbers) + block(9999, "")
    environment = {**os.environ, **environment}
    return subprocess.run([TARSIER, "-q", "-e", script, "7", "word"], capture_output=True, text=True, env=environment,
                          timeout=300)


def outputs_of(result):
    pieces = re.split(r"^<<(\d+)>>\n", result.stdout, flags=re.M)
    return {int(number): re.sub(r"@c\d+_", "@", text) for number, text in zip(pieces[1::2], pieces[2::2])}


def run_table(environment):
    """{case: output}; when a batch does not run, its cases are run one by one, and those that fail give the reason."""
    found = {}
    for start in range(0, len(CASES), BATCH):
        numbers = range(start, min(start + BATCH, len(CASES)))
        result = run_blocks(numbers, environment)
        if result.returncode == 0:
            found.update(outputs_of(result))
            continue
        for number in numbers:
            alone = run_blocks([number], environment)
            found[number] = outputs_of(alone).get(number, "") if alone.returncode == 0 else alone.stderr
    return {name: found.get(number, "nothing").rstrip("\n") for number, name in enumerate(CASES)}


@pytest.fixture(scope="module")
def plain():
    return run_table({})


@pytest.fixture(scope="module")
def tortured():
    return run_table({"TARSIER_TORTURE": "20261"})


@pytest.mark.parametrize("name", CASES)
def test_output(plain, name):
    assert plain[name] == CASES[name][1].rstrip("\n")


def test_random_registers_change_nothing(tortured):
    wrong = {name: text for name, text in tortured.items() if text != CASES[name][1].rstrip("\n")}
    assert not wrong


# ---- histograms -------------------------------------------------------------------------------------------------

HIST_VALUES = sorted({v for k in range(63) for v in (2**k - 1, 2**k, 2**k + 1)} | {-1, -2, INT64_MIN + 1, INT64_MAX, 3, 5, 6,
                     7, 11, 13, 100, 999, 1000000, 123456789})


def bucket_bounds(bucket, bits):
    """Inclusive; the least value of negative numbers is None."""
    if bucket == 0:
        return None, -1
    index = bucket - 1
    if index < 1 << bits:
        return index, index
    shift = (index >> bits) - 1
    first = ((1 << bits) | (index & ((1 << bits) - 1))) << shift
    return first, first + (1 << shift) - 1


@pytest.mark.parametrize("bits", range(6))
def test_histogram_buckets(trace, bits):
    import json
    program = "".join(f"@ = hist((int64)({value}), {bits});" for value in HIST_VALUES)
    answer = trace(f"BEGIN {{ {program} }}", "-f", "json", "-q")
    rows = [json.loads(line) for line in answer.lines() if '"hist"' in line][0]["data"]["@"]
    found = {tuple(int(row[end]) if end in row else None for end in ("min", "max")): row["count"] for row in rows if row["count"]}
    expected = {}
    for value in HIST_VALUES:
        bounds = bucket_bounds(expected_bucket(value, bits), bits)
        expected[bounds] = expected.get(bounds, 0) + 1
    assert found == expected


def test_linear_histogram_edges(trace):
    values = [-100, -1, 0, 1, 2, 9, 10, 99, 100, 101, INT64_MAX]
    program = "".join(f"@ = lhist((int64)({value}), 0, 100, 10);" for value in values)
    assert trace(f"BEGIN {{ {program} }}").buckets() | {"[20, 30)": 0} == {
        "(..., 0)": 2, "[0, 10)": 4, "[10, 20)": 1, "[20, 30)": 0, "[90, 100)": 1, "[100, ...)": 3,
        **{f"[{low}, {low + 10})": 0 for low in range(30, 90, 10)}}


def test_linear_histogram_from_below_zero(trace):
    program = "".join(f"@ = lhist((int64)({value}), -10, 10, 5);" for value in (-11, -10, -6, -5, -1, 0, 4, 9, 10))
    assert trace(f"BEGIN {{ {program} }}").buckets() == {"(..., -10)": 1, "[-10, -5)": 2, "[-5, 0)": 2, "[0, 5)": 2,
                                                         "[5, 10)": 1, "[10, ...)": 1}


# ---- warnings that go with a value ------------------------------------------------------------------------------

def test_division_by_zero_is_told(trace):
    answer = trace('BEGIN { $z = (int64)0; print(5 / $z); }')
    assert answer.stdout.split() == ["1"] and "Divide or modulo by 0" in answer.stderr


def test_bad_read_is_told(trace):
    answer = trace('BEGIN { $p = (uint64 *)8; print(*$p); }')
    assert answer.stdout.split() == ["0"] and "could not be read" in answer.stderr


def test_loop_longer_than_the_kernel_allows(trace):
    answer = trace('BEGIN { $n = (int64)0; for $i : 0..4294967301 { $n++; } print($n); }')
    assert answer.stdout.split() == ["8388608"] and "limit" in answer.stderr


def test_predicate_is_silent_and_decides(trace):
    answer = trace('BEGIN /@never[1]/ { print(1); @never[2] = 1; } BEGIN /comm == "none" || @x == 0/ { print(2); } '
                   'BEGIN /!@x && pid > 0/ { print(3); @x = 0; } BEGIN /(@x ? 1 : 0) == 1/ { print(4); }')
    assert answer.stdout.split() == ["2", "3", "@x:", "0"]
