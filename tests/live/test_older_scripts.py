"""What scripts for older bpftrace rely on."""


def test_a_variable_outlives_its_block(trace):
    answer = trace('begin { if (pid) { $a = "x"; $t = (1, 2); } else { $a = "yyy"; } for $i : 0..3 { $last = $i; } '
                   'if (!pid) { $never = "text"; } print(($a, $t, $last, $never)); }')
    assert answer.lines() == ["(x, (1, 2), 2, )"]
    assert answer.stderr.count("is used behind the block that assigned it") == 4


def test_blocks_side_by_side_keep_their_own(trace):
    answer = trace('begin { if (pid) { $a = 1; print($a); } if (pid) { $a = "text"; print($a); } }')
    assert answer.lines() == ["1", "text"] and "WARNING" not in answer.stderr
