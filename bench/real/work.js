// SPDX-License-Identifier: BSD-2-Clause
// Objects, closures, typed arrays and strings; hot enough to be compiled while it runs.
'use strict';
let seed = 12345;
const random = () => (seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff);
class Vector {
    constructor(x, y) { this.x = x; this.y = y; }
    add(o) { return new Vector(this.x + o.x, this.y + o.y); }
    dot(o) { return this.x * o.x + this.y * o.y; }
}
let v = new Vector(0, 0), dots = 0;
for (let i = 0; i < 400000; i++) {
    const w = new Vector(random() % 100, i % 7);
    v = v.add(w);
    dots = (dots + w.dot(v)) % 1000003;
}
const sieve = new Uint8Array(300000);
let primes = 0;
for (let i = 2; i < sieve.length; i++) {
    if (sieve[i]) continue;
    primes++;
    for (let j = 2 * i; j < sieve.length; j += i) sieve[j] = 1;
}
const words = new Map();
for (let i = 0; i < 40000; i++) {
    const word = 'w' + (random() % 500).toString(36);
    words.set(word, (words.get(word) || 0) + 1);
}
const top = [...words].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 3);
console.log(dots, primes, JSON.stringify(top));
