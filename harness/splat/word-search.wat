;; SPDX-License-Identifier: MIT
;; The inner loops of word-search.ts: which positions of a text may begin one of many fragments of four bytes, and how many
;; newlines lie between two positions.
;; `npm run wasm` compiles it to word-search-code.ts.
;;
;; Memory:
;;     0..127    eight tables of 16 bytes: for each of the four bytes, one by its low and one by its high nibble.
;;               Bit b of an entry: a fragment of bucket b has such a nibble there.
;;   128..4223   by a hash of four bytes: 1 when a fragment has this hash
;;  8192..       the text. The 19 bytes behind its end are read, and may be anything.
(module
  (import "splat" "memory" (memory 1))

  ;; The first position from $at on that may begin a fragment; $end or more when there is none before $end.
  (func (export "next") (param $at i32) (param $end i32) (result i32)
    (local $nibble v128)
    (local $bytes v128)
    (local $buckets v128)
    (local $lanes i32)
    (local $found i32)
    (local $low0 v128) (local $low1 v128) (local $low2 v128) (local $low3 v128)
    (local $high0 v128) (local $high1 v128) (local $high2 v128) (local $high3 v128)
    (local.set $nibble (i8x16.splat (i32.const 15)))
    (local.set $low0 (v128.load offset=0 (i32.const 0)))
    (local.set $high0 (v128.load offset=16 (i32.const 0)))
    (local.set $low1 (v128.load offset=32 (i32.const 0)))
    (local.set $high1 (v128.load offset=48 (i32.const 0)))
    (local.set $low2 (v128.load offset=64 (i32.const 0)))
    (local.set $high2 (v128.load offset=80 (i32.const 0)))
    (local.set $low3 (v128.load offset=96 (i32.const 0)))
    (local.set $high3 (v128.load offset=112 (i32.const 0)))
    (loop $blocks
      (if (i32.ge_u (local.get $at) (local.get $end)) (then (return (local.get $end))))
      ;; The buckets that have the byte at $at + lane as a first byte, and the next three as the others.
      (local.set $bytes (v128.load offset=0 (local.get $at)))
      (local.set $buckets (v128.and
        (i8x16.swizzle (local.get $low0) (v128.and (local.get $bytes) (local.get $nibble)))
        (i8x16.swizzle (local.get $high0) (i8x16.shr_u (local.get $bytes) (i32.const 4)))))
      (local.set $bytes (v128.load offset=1 (local.get $at)))
      (local.set $buckets (v128.and (local.get $buckets) (v128.and
        (i8x16.swizzle (local.get $low1) (v128.and (local.get $bytes) (local.get $nibble)))
        (i8x16.swizzle (local.get $high1) (i8x16.shr_u (local.get $bytes) (i32.const 4))))))
      (local.set $bytes (v128.load offset=2 (local.get $at)))
      (local.set $buckets (v128.and (local.get $buckets) (v128.and
        (i8x16.swizzle (local.get $low2) (v128.and (local.get $bytes) (local.get $nibble)))
        (i8x16.swizzle (local.get $high2) (i8x16.shr_u (local.get $bytes) (i32.const 4))))))
      (local.set $bytes (v128.load offset=3 (local.get $at)))
      (local.set $buckets (v128.and (local.get $buckets) (v128.and
        (i8x16.swizzle (local.get $low3) (v128.and (local.get $bytes) (local.get $nibble)))
        (i8x16.swizzle (local.get $high3) (i8x16.shr_u (local.get $bytes) (i32.const 4))))))
      (if (v128.any_true (local.get $buckets)) (then
        ;; A bit for each lane that is left, of which the hash table takes most away.
        (local.set $lanes (i32.xor
          (i8x16.bitmask (i8x16.eq (local.get $buckets) (v128.const i32x4 0 0 0 0)))
          (i32.const 0xffff)))
        (loop $candidates
          (local.set $found (i32.add (local.get $at) (i32.ctz (local.get $lanes))))
          (if (i32.load8_u offset=128
                (i32.shr_u (i32.mul (i32.load (local.get $found)) (i32.const 0x9e3779b1)) (i32.const 20)))
            (then (return (local.get $found))))
          (local.set $lanes (i32.and (local.get $lanes) (i32.sub (local.get $lanes) (i32.const 1))))
          (br_if $candidates (local.get $lanes)))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br $blocks))
    (unreachable))

  ;; The number of newlines from $at to before $end.
  (func (export "newlines") (param $at i32) (param $end i32) (result i32)
    (local $newline v128)
    (local $count i32)
    (local $lanes i32)
    (local $left i32)
    (local.set $newline (i8x16.splat (i32.const 10)))
    (block $done
      (loop $blocks
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $lanes (i8x16.bitmask (i8x16.eq (v128.load (local.get $at)) (local.get $newline))))
        (local.set $left (i32.sub (local.get $end) (local.get $at)))
        ;; Of the last block, the lanes before $end.
        (if (i32.lt_u (local.get $left) (i32.const 16)) (then
          (local.set $lanes (i32.and
            (local.get $lanes)
            (i32.sub (i32.shl (i32.const 1) (local.get $left)) (i32.const 1))))))
        (local.set $count (i32.add (local.get $count) (i32.popcnt (local.get $lanes))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $blocks)))
    (local.get $count)))
