-- What the engines once answered differently: see README.md. Each block starts an empty database.
-- new
CREATE TABLE t (a REAL, b INTEGER, c);
INSERT INTO t VALUES (2.5, 1, 0.0), (-3.0, -5, -0.0), (5e-324, 0, 1), (-5e-324, 7, 0), (0.0, NULL, 2.5), (NULL, 3, -2);
-- A sort's key that is shown keeps the sign of zero.
SELECT a / -2 FROM t ORDER BY 1;
SELECT 0.0 / a AS x, b FROM t ORDER BY x, b;
SELECT round(a, 1) AS x, row_number() OVER (ORDER BY round(a, 1), b) FROM t ORDER BY 2;
-- -x is 0 - x: 0.0 stays what it is.
SELECT -a, -(c % 5), -(0.0 * a), -c FROM t;
-- An integer 0 has no sign, also where a DOUBLE holds it.
SELECT c / b / 4.75, c * b / 4.75, CAST(c * b AS REAL) FROM t;
SELECT '0' / b / 4.75 FROM t;
-- total() of no rows is 0.0, also in a correlated subquery.
SELECT b, (SELECT total(u.a) FROM t AS u WHERE u.b > t.b + 100), (SELECT total(u.b) + 1 FROM t AS u WHERE u.b > t.b + 3) FROM t;
-- new
CREATE TABLE p (k INTEGER, v REAL);
CREATE TABLE q (w INTEGER);
INSERT INTO p VALUES (1, 4.0), (1, -4.75), (1, 3.0), (2, 1.0), (1, 4.0);
INSERT INTO q VALUES (1), (2), (3), (4);
-- LIMIT or OFFSET may cut through rows that tie, though the two rows at the cut be the same.
SELECT k, v FROM p, q ORDER BY k LIMIT 3;
SELECT k, v FROM p, q ORDER BY k LIMIT 2 OFFSET 3;
SELECT julianday('2019-02-29') AS j, v FROM p JOIN q ON k < w ORDER BY j LIMIT 1;
-- Groups that tie come in the order of an index, if SQLite reads one.
CREATE TABLE g (k INTEGER, v REAL);
CREATE INDEX gk ON g (k DESC);
INSERT INTO g VALUES (1, 4.0), (3, -4.75), (2, 3.0), (2, 1.0), (4, 4.0);
SELECT k, count(*) > 5 AS c FROM g GROUP BY 1 ORDER BY c;
-- An aggregate of nothing but NULLs is still one.
SELECT coalesce(sum(NULL), 0) FROM p;
SELECT ifnull(max(NULL), 7) + 1 FROM p WHERE k > 5;
-- Rows that tie differ also where only the sign of a zero does.
CREATE TABLE z (s REAL, k INTEGER);
INSERT INTO z VALUES (1, 1), (-1, 1), (2, 1), (-2, 2), (3, 2), (-4, 1);
SELECT p.k, 0 * z.s FROM p JOIN z ORDER BY p.k;
-- Where there is nothing to look for, what would replace it doesn't matter.
SELECT replace('b', '', NULL), replace('b', 'b', NULL), replace(NULL, '', 'x') FROM p;
-- A LIMIT inside may be applied to the rows that an ORDER BY outside has sorted.
SELECT s.v FROM (SELECT v FROM p LIMIT 2) AS s ORDER BY 1;
WITH w AS (SELECT v FROM p LIMIT 3) SELECT v FROM w ORDER BY v DESC;
-- A number with signs is a position.
SELECT '-', v FROM p ORDER BY - -2;
SELECT k, v FROM p ORDER BY likely(2), 1;
-- total() of inf and -inf is NULL, that of nothing 0.0.
CREATE TABLE w (k INTEGER, v REAL);
INSERT INTO w VALUES (1, 9e999), (1, -9e999), (2, 9e999), (3, NULL);
SELECT k, total(v), sum(v), avg(v) FROM w GROUP BY k ORDER BY k;
SELECT k, (SELECT total(v) FROM w WHERE w.k = p.k), (SELECT total(v) + 1 FROM w WHERE w.k > p.k + 9) FROM p;
-- abs(-0.0) is -0.0.
SELECT abs(s * 0), abs(s) FROM z;
-- new
-- 2^53 + 1 rounds to 2^53: neither may be taken for an exact integer.
CREATE TABLE n (f, c);
INSERT INTO n VALUES ('9007199254740993', 9007199254740991), ('1', 0.5), ('-9007199254740993', -9007199254740991), ('2.5', 3);
SELECT f + 1 FROM n;
SELECT c + 2, c - 2, c * 2 FROM n;
SELECT f, c FROM n WHERE f - 1 > 5;
-- An integer that overflows inside a sum makes it a REAL.
CREATE TABLE o (a INTEGER);
INSERT INTO o VALUES (9223372036854775806), (-9223372036854775807), (4597), (255), (NULL);
SELECT sum(a + 3) FROM o;
SELECT avg(3 + a), sum(a) FROM o;
SELECT sum(a - 300), sum(300 - a) FROM o;
-- The first part of a compound gives its collation.
CREATE TABLE a (x TEXT);
CREATE TABLE b (y TEXT COLLATE NOCASE);
INSERT INTO a VALUES ('b'), ('A'), (NULL), ('D');
INSERT INTO b VALUES ('c'), ('E');
SELECT x FROM a UNION ALL SELECT y FROM b ORDER BY 1;
SELECT y FROM b UNION ALL SELECT x FROM a ORDER BY 1;
SELECT x || '' AS z FROM a UNION ALL SELECT y FROM b ORDER BY 1;
-- DISTINCT looks at texts before they are numbers; a subquery's ORDER BY may go, and an aggregate in it.
CREATE TABLE d (f TEXT, k INTEGER);
INSERT INTO d VALUES ('a', 1), ('b', 2), ('10', 3), ('10.0', 3), (NULL, 4);
SELECT avg(DISTINCT f), total(DISTINCT f), avg(f) FROM d;
SELECT d.k FROM d JOIN (SELECT NULL FROM d AS e ORDER BY min(-1)) AS s;
-- A subquery's LIMIT among equal groups keeps those that come first in SQLite's plan, here by an index of the other direction.
-- new
CREATE TABLE g (h INTEGER, k REAL NOT NULL, x INTEGER, PRIMARY KEY (h, k));
CREATE INDEX gi ON g (h DESC, x);
INSERT INTO g VALUES (15, 1.5, 1), (9, 2.5, 2), (3, 0.5, 3), (NULL, 7.0, 12), (-6, 4.5, 13), (NULL, 0.5, -2), (-3, 5.5, 17);
SELECT c1, sum(c2) FROM (SELECT h AS c1, count(DISTINCT x) AS c2 FROM g GROUP BY h ORDER BY 2 LIMIT 3) WHERE c1 < c2 GROUP BY c1;
SELECT NULL FROM (SELECT h AS c1, 1 AS c2 FROM g GROUP BY h ORDER BY 2 LIMIT 3) WHERE c1 < c2 GROUP BY c1;
-- A row value's IN list compares without the columns' collations.
-- new
CREATE TABLE r (e TEXT, k TEXT COLLATE NOCASE, c TEXT COLLATE RTRIM);
INSERT INTO r VALUES ('x', 'AB', 'ab '), ('y', 'ab', 'ab'), (NULL, 'Ab', NULL), ('z', NULL, 'AB');
SELECT DISTINCT CASE WHEN (r.e, 'ab') IN ((e, r.k), (r.e, c)) THEN NULL ELSE 0 END FROM r;
SELECT e FROM r WHERE ('ab', e) IN ((k, 'x'), (c, 'y')) ORDER BY e;
-- new
CREATE TABLE t (id INTEGER PRIMARY KEY, t TEXT, i INTEGER, r REAL, nc TEXT COLLATE NOCASE);
INSERT INTO t VALUES (1, '1e5', -9223372036854775808, 2.5, 'ABC'), (2, '1.9e1', 5, 1e5, 'abc'), (3, '25e-1', 0, -7.9, 'b'), (4, '12abc', NULL, NULL, NULL), (5, ' -3x', 7, 0.0, ''), (6, '99999999999999999999', 1, 9.0, 'B'), (7, '0x1F', 2, 3.0, 'c'), (8, NULL, 3, -0.0, 'C');
CREATE TABLE e (x INTEGER);
CREATE TABLE w (x TEXT, p TEXT);
INSERT INTO w VALUES ('abc', 'abc%%'), ('abcde', 'abc%_'), ('abc%', 'a%'), ('abc%%', '%'), ('abc_', '_bc');
-- Where SQLite wants an integer it takes the one that a TEXT starts with, whatever number the TEXT is.
SELECT t, t % 7, 7 % t, t % 2.5, r % t, t % r FROM t ORDER BY id;
SELECT t, t & 255, t | 0, ~t, t >> 1, t << 2, t & t, t & r FROM t WHERE id <> 5 ORDER BY id;
SELECT sum(t & 255), sum(t % 7), max(t | 1), sum((t & 255) % t) FROM t;
SELECT '1e5' % 7, '1.9e1' & 255, ~'25e-1', '1e5' >> 1, ~'abc', 7 % '1e1', ' 12' | 0 FROM t WHERE id = 1;
SELECT typeof(t % 7), typeof(t % 2.0), typeof(t & 1), id FROM t ORDER BY id;
-- A scalar subquery has its column's affinity, but not its collation.
SELECT (SELECT nc FROM t WHERE id = 1) = 'abc' AS x, 'abc' = (SELECT nc FROM t WHERE id = 1) AS y;
SELECT count(*) FROM t a WHERE (SELECT b.nc FROM t b WHERE b.id = a.id) = 'abc';
SELECT count(*) FROM t a WHERE (SELECT b.nc FROM t b WHERE b.id = a.id) = a.nc;
SELECT (SELECT nc FROM t WHERE id = 1) IN ('abc') AS x, (SELECT nc FROM t WHERE id = 1) BETWEEN 'abc' AND 'abd' AS y;
SELECT CASE (SELECT nc FROM t WHERE id = 1) WHEN 'abc' THEN 1 ELSE 0 END, (SELECT nc FROM t WHERE id = 1) IS 'abc' FROM t WHERE id = 2;
SELECT DISTINCT (SELECT b.nc FROM t b WHERE b.id = a.id) AS x FROM t a ORDER BY x;
SELECT (SELECT b.nc FROM t b WHERE b.id = a.id) AS x, count(*) FROM t a GROUP BY x ORDER BY x;
SELECT (SELECT (SELECT nc FROM t WHERE id = 1)) = 'abc', max((SELECT nc FROM t WHERE id = 1), 'abc') FROM t WHERE id = 3;
SELECT x = 'abc' FROM (SELECT (SELECT b.nc FROM t b WHERE b.id = a.id) AS x FROM t a WHERE id < 3);
-- An ESCAPE that is a wildcard takes the wildcard away; one that isn't one character is an error.
SELECT x FROM w WHERE x LIKE 'abc%%' ESCAPE '%';
SELECT x FROM w WHERE x LIKE 'abc%_' ESCAPE '_';
SELECT x, like('abc%%', x, '%'), x LIKE 'abcé%' ESCAPE 'é', x LIKE 'abc%' ESCAPE 'b', x LIKE 'abc%' ESCAPE NULL FROM w;
SELECT x FROM w WHERE x LIKE p ESCAPE '%';
SELECT x FROM w WHERE x LIKE 'abc' ESCAPE '';
SELECT x FROM w WHERE x LIKE 'abc' ESCAPE 'ab';
SELECT x FROM w WHERE x LIKE 'abc\%' ESCAPE '\';
-- IS TRUE is IS TRUE behind COLLATE, too.
SELECT i IS TRUE COLLATE NOCASE, i IS NOT TRUE COLLATE BINARY, i IS (TRUE COLLATE NOCASE), i IS FALSE COLLATE RTRIM, i IS NOT DISTINCT FROM TRUE FROM t;
SELECT i IS likely(TRUE), row_number() OVER (ORDER BY id) FROM t;
SELECT i IS NOT likely(TRUE) FROM t;
-- The parser makes TRUE of NOT IN (), and a number, in ORDER BY a position, of whether a literal is NULL.
SELECT i IS (nc NOT IN ()), i IS NOT (nc IN ()), i IS (lower(nc) NOT IN ()), i IS DISTINCT FROM (2 NOT IN ()) FROM t;
SELECT count(*) FROM t WHERE i IS (id NOT IN ());
SELECT i, id FROM t ORDER BY 5 NOTNULL, 2;
SELECT i, id FROM t ORDER BY 'x' IS NOT NULL DESC, 2;
SELECT i, count(*) FROM t GROUP BY x'00' NOTNULL ORDER BY 2, 1;
-- Underscores in a number mean nothing.
SELECT typeof(-9_223_372_036_854_775_808), -9_223_372_036_854_775_808, 1_000 + i, 1_0.2_5, -(9_223_372_036_854_775_808), 0x_f FROM t;
SELECT typeof(-9_223_372_036_854_775_808), -9_223_372_036_854_775_808, 1_000 + id, 1_0.2_5, -(9_223_372_036_854_775_808), 0xf_f FROM t;
-- An error of SQLite's isn't lost where the column store doesn't look.
SELECT id, nth_value(id, 0) OVER (ORDER BY id) FROM t;
SELECT id, ntile(0) OVER (ORDER BY id) FROM t;
SELECT id, sum(id) OVER (ORDER BY id ROWS BETWEEN 0 FOLLOWING AND -1 FOLLOWING) FROM t;
SELECT id, sum(id) OVER (ORDER BY id ROWS BETWEEN -1 PRECEDING AND CURRENT ROW) FROM t;
SELECT id FROM t WHERE abs(i) IN (SELECT x FROM e);
SELECT count(*) FROM t WHERE id > 100 OR abs(i) >= 0;
SELECT CASE WHEN count(*) > 100 THEN sum(i - 1) END, count(*) FROM t WHERE id > 1;
SELECT id FROM e, t WHERE abs(i) > 1;
SELECT count(*) FROM t GROUP BY id % 2 HAVING count(*) > 100 AND sum(i) > 0;
-- new
CREATE TABLE big (g INTEGER, v INTEGER);
INSERT INTO big VALUES (1, 9223372036854775807), (1, 9), (1, -13), (2, 4611686018427387904), (2, -4611686018427387904), (3, -9223372036854775808);
-- A sum that overflows is an error, also where it doesn't show; its running total may.
SELECT sum(v) FROM big WHERE g = 1;
SELECT g, sum(v) FROM big GROUP BY g ORDER BY g;
SELECT g, sum(v) FROM big WHERE g > 1 GROUP BY g ORDER BY g;
SELECT sum(v) + 1, sum(DISTINCT v) FROM big WHERE g = 2;
SELECT g FROM big GROUP BY g HAVING count(*) > 2 AND sum(v) > 0 ORDER BY count(*) LIMIT 1;
SELECT count(*) FROM (SELECT g, sum(v) AS s FROM big GROUP BY g) WHERE s > 5;
-- LIMIT and OFFSET may be computed; a literal may be cast.
SELECT g, v FROM big ORDER BY v LIMIT 2 + 1 OFFSET 3 - 2;
SELECT g, v FROM big ORDER BY v LIMIT -(1 - 3) * 2;
SELECT g, v FROM big ORDER BY v LIMIT 9223372036854775807 + 1;
SELECT g, v FROM big ORDER BY v LIMIT '2' + 1;
SELECT CAST('12abc' AS INTEGER), CAST('abc' AS INTEGER), CAST(' 3.7' AS INTEGER), CAST('1e3' AS REAL), CAST('0x1F' AS INTEGER), CAST('-0.0' AS REAL), CAST('99999999999999999999' AS INTEGER) FROM big;
-- new
CREATE TABLE m (g INTEGER, v NUMERIC);
INSERT INTO m VALUES (1, 9007199254740990), (1, 9007199254740991), (2, 2.5);
CREATE VIEW many AS SELECT a.g AS g, a.v AS v FROM m a, m b, m c, m d, m e, m f, m h, m i;
-- Integers and REALs together overflow, too.
SELECT NULL FROM (SELECT sum(v) FROM many WHERE g = 1 GROUP BY g) AS s;
SELECT CASE WHEN count(*) < 0 THEN sum(v) END FROM many WHERE g = 1;
-- a zero's sign: of a text read as a REAL it stays; a constant -0.0 isn't taken for 0.0
-- new
CREATE TABLE z (id INTEGER PRIMARY KEY, s TEXT, r REAL, x);
INSERT INTO z VALUES (1, '-0', -0.0, -0.0), (2, '-0.0', 0.0, 0.0), (3, ' -0e1x', -0.001, -0.001), (4, '0', 5e-324, 3), (5, NULL, NULL, NULL), (6, '-5.5', -5e-324, -7);
SELECT id, abs(s), s * 1.0, s + -0.001, s - 1.0, round(s, 1), s * x, s / x FROM z;
SELECT id, s * 1.0 FROM z;
SELECT id, abs(s) FROM z;
SELECT id, abs(s), abs(s || '') FROM z;
SELECT id, s * x, x * s, s + x, s - x FROM z;
SELECT abs('-0'), '-0' * 1.0 FROM z;
SELECT 0.0 - r, -0.0 - r FROM z;
SELECT 0.0 + r, (0.0 * -1) + r, CAST('-0' AS REAL) + r, round(-0.4) + r FROM z;
SELECT '0' * r, '-0' * r FROM z;
SELECT max(x) FROM z WHERE id IN (1, 2);
SELECT min(x) FROM z WHERE id IN (2, 1);
-- A source alone in brackets is that source; its alias within is forgotten behind another source, or where one stands outside.
-- new
CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER);
CREATE TABLE u (a INTEGER PRIMARY KEY, c TEXT);
INSERT INTO t VALUES (1, 2), (2, 3), (3, NULL);
INSERT INTO u VALUES (1, 'one'), (3, 'three');
CREATE VIEW v AS SELECT a, b FROM (t);
SELECT count(*), sum(b) FROM (t);
SELECT x.b, count(*) FROM ((t AS y)) AS x GROUP BY x.b ORDER BY 1;
SELECT t.b FROM u, (t AS y) ORDER BY u.a, t.a;
SELECT (SELECT max(y.c) FROM t, (u AS q) WHERE y.a = t.a) FROM u AS y;
SELECT * FROM (u) LEFT JOIN ((t)) USING (a) ORDER BY a;
SELECT count(*) FROM (t JOIN (u) ON t.a = u.a), (v) AS w WHERE w.b > 1;
SELECT sum(q.n) FROM ((SELECT b + 1 AS n FROM (t)) AS r) AS q;
-- new
CREATE TABLE t (a INTEGER NOT NULL, b DECIMAL(10,2));
INSERT INTO t VALUES (-6, NULL), (13, 6.75), (14, 5), (14, -6), (15, NULL);
-- A NULL in the place of a number is one value, whichever number it stands for.
SELECT DISTINCT s.a, nullif(t.b, t.b) FROM t, t AS s ORDER BY 1;
SELECT DISTINCT CASE WHEN b = 6.75 THEN NULL ELSE b END FROM t ORDER BY 1;
SELECT DISTINCT iif(a < 0, b, NULL) AS k FROM t ORDER BY k;
SELECT DISTINCT CASE a WHEN 14 THEN NULL ELSE b END AS k FROM t ORDER BY k;
-- new
CREATE TABLE t (id INTEGER PRIMARY KEY, h, x TEXT);
INSERT INTO t VALUES (-6, 'abc12', 'a'), (-4, '--1', NULL), (3, '-9223372036854775808', '1'), (7, '0x10', '1'), (9, '.5', 'b'), (-1, '01', 'b');
-- Groups of single rows come in the order of rowids.
SELECT h FROM t GROUP BY NULL, h, id LIMIT 4;
SELECT date(id), h, id FROM t GROUP BY date(id), h, id LIMIT 2 OFFSET 2;
SELECT h, count(*) FROM t GROUP BY h LIMIT 3;
-- A group of all rows is there without rows, and a false condition above it leaves none.
SELECT NULL FROM t AS s RIGHT JOIN (SELECT NULL - min(h) FROM t) AS g ON 0 WHERE s.x;
SELECT 1 FROM (SELECT count(*) AS n FROM t HAVING count(*) >= 0) AS g WHERE NULL;
-- A subquery without a row is NULL, whatever it selects.
SELECT h FROM t WHERE max((SELECT 1 FROM t WHERE id > 100), h < '') = (5.0 IN (-0.25));
SELECT h, (SELECT 1 FROM t AS s WHERE s.id > t.id + 100) IS NULL, ifnull((SELECT 2 FROM t AS s WHERE s.h = t.x), 3) FROM t ORDER BY id;
-- A window sees all of its rows, whatever the LIMIT.
SELECT id, cume_dist() OVER (ORDER BY x, id), percent_rank() OVER (ORDER BY x, id) FROM t ORDER BY id LIMIT 2;
SELECT c, cume_dist() OVER (ORDER BY NULL, date(c)) FROM (SELECT DISTINCT id AS c FROM t) ORDER BY c LIMIT 3;
SELECT id, ntile(3) OVER (ORDER BY id), last_value(id) OVER (ORDER BY id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) FROM t ORDER BY id LIMIT 2;
-- new
CREATE TABLE t (a INTEGER PRIMARY KEY, x REAL);
INSERT INTO t VALUES (1, 9e999), (2, 0.5), (3, -0.0);
-- A column that can't be read, and needn't be, leaves numbers beside it numbers.
SELECT CASE WHEN 0 THEN x ELSE 0 END FROM t;
SELECT CASE WHEN 0 THEN x ELSE 1.5 END, coalesce(2.5, x) FROM t;
-- new
CREATE TABLE t (a INTEGER PRIMARY KEY, x INTEGER, r REAL, s TEXT);
INSERT INTO t VALUES (1, 1, 0.5, 'a'), (2, 2, NULL, 'B'), (3, NULL, 1.5, NULL), (4, 2, 2.0, '');
CREATE TABLE u (b INTEGER PRIMARY KEY, x INTEGER, r REAL, s TEXT COLLATE NOCASE);
INSERT INTO u VALUES (1, 2, 2.0, 'A'), (2, NULL, NULL, NULL), (3, 3, 0.5, 'b');
-- IN a subquery is NULL where the value is, or a NULL is among the others, but not without rows.
SELECT a, x IN (SELECT x FROM u), x NOT IN (SELECT x FROM u), x IN (SELECT x FROM u WHERE b > 9), x NOT IN (SELECT x FROM u WHERE b = 1) FROM t ORDER BY a;
SELECT a, r IN (SELECT r FROM u), s IN (SELECT s FROM u), x = 2 IN (SELECT x > 2 FROM u), NULL IN (SELECT x FROM u WHERE b > 9) FROM t ORDER BY a;
SELECT a FROM t WHERE x NOT IN (SELECT x FROM u WHERE x IS NOT NULL) OR s IN (SELECT s FROM t WHERE a < 3) ORDER BY a;
SELECT a FROM t WHERE x NOT IN (SELECT x FROM u) OR a NOT IN (SELECT b FROM u WHERE x IN (SELECT x FROM t)) ORDER BY a;
SELECT x IN (SELECT b FROM u) AS k, count(*), sum(a IN (SELECT x FROM t)), max(a) FROM t GROUP BY k ORDER BY k;
SELECT t.a, u.b FROM t LEFT JOIN u ON t.x = u.x AND u.b IN (SELECT x FROM t) ORDER BY t.a, u.b;
SELECT a, CASE WHEN a IN (SELECT x FROM u) THEN 'in' WHEN a NOT IN (SELECT b FROM u) THEN 'out' ELSE '-' END, row_number() OVER (PARTITION BY a IN (SELECT x FROM t) ORDER BY a) FROM t ORDER BY a;
-- A number, and it as a REAL, are counted each for itself.
SELECT count(x), total(x), avg(x), min(x), count(r), total(r) FROM t;
SELECT s, total(x), avg(x), count(x), avg(length(s)), total(length(s)) FROM t GROUP BY s ORDER BY s;
-- What EXCEPT and INTERSECT leave may be grouped.
SELECT x FROM t EXCEPT SELECT b FROM u WHERE b < 2 EXCEPT SELECT x FROM u UNION SELECT b FROM u INTERSECT SELECT a FROM t;
SELECT k, count(*) FROM (SELECT x AS k FROM t EXCEPT SELECT b FROM u WHERE b = 3 INTERSECT SELECT a FROM t) GROUP BY k ORDER BY k DESC;
-- new
CREATE TABLE l (x TEXT NOT NULL);
INSERT INTO l VALUES (''), ('a'), ('A'), ('b');
CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT);
INSERT INTO t (s) SELECT p.x || q.x || r.x || s.x FROM l AS p, l AS q, l AS r, l AS s;
INSERT INTO t (s) VALUES (NULL), ('é'), ('aÉb'), ('ab ab aB'), ('aabab'), ('[b'), ('a_b');
-- A LIKE of parts between %, whatever the case of ASCII's letters.
SELECT id, s LIKE '', s LIKE 'a', s LIKE 'B', s LIKE '%', s LIKE 'aa', s LIKE 'aB', s LIKE 'a%', s LIKE 'Ba', s LIKE 'BB', s LIKE 'B%', s LIKE '%a', s LIKE '%B', s LIKE '%%', s LIKE 'aaa', s LIKE 'aaB', s LIKE 'aa%', s LIKE 'aBa', s LIKE 'aBB', s LIKE 'aB%', s LIKE 'a%a', s LIKE 'a%B', s LIKE 'a%%', s LIKE 'Baa', s LIKE 'BaB', s LIKE 'Ba%', s LIKE 'BBa', s LIKE 'BBB', s LIKE 'BB%', s LIKE 'B%a', s LIKE 'B%B', s LIKE 'B%%', s LIKE '%aa', s LIKE '%aB', s LIKE '%a%', s LIKE '%Ba', s LIKE '%BB', s LIKE '%B%', s LIKE '%%a', s LIKE '%%B', s LIKE '%%%' FROM t ORDER BY id;
SELECT id, s LIKE '%é%', s LIKE 'a%É%b', s LIKE 'a_b', s LIKE '%_%b', s LIKE '%AB%AB', s LIKE '%[%', s NOT LIKE '%a%b%a%', s LIKE NULL, 'aXb' LIKE s FROM t ORDER BY id;
SELECT count(*) FROM t WHERE s LIKE '%A%b%' AND s NOT LIKE 'a%a' OR s LIKE s || '%' AND s LIKE '%aB%';
-- new
CREATE TABLE t (id INTEGER PRIMARY KEY, k INTEGER NOT NULL, g INTEGER NOT NULL, s TEXT NOT NULL);
INSERT INTO t VALUES (1, 5, 1, 'a'), (2, 11, 1, 'b'), (3, 3, 2, 'c'), (4, -7, 2, 'd'), (5, 9, 1, 'e'), (6, 3, 1, 'f'), (7, 2, 2, 'g'), (8, 5, 2, 'h'), (9, 5, 3, 'i'), (10, 0, 3, 'j');
-- Keys of groups are unique, but not what stands in their place further up.
SELECT rank() OVER (ORDER BY NULL) AS c1, k AS c2 FROM (SELECT k FROM t GROUP BY k) ORDER BY c1, 2;
SELECT dense_rank() OVER () AS c1, s.c1 FROM (SELECT DISTINCT k AS c1 FROM t) AS s ORDER BY 1, 2 DESC;
SELECT n, k FROM (SELECT k, count(*) AS n FROM t GROUP BY k ORDER BY n, k DESC LIMIT 5) AS s ORDER BY n, k;
SELECT count(*) AS n, k, row_number() OVER (ORDER BY count(*), k DESC) AS r FROM t GROUP BY k ORDER BY n, k;
SELECT n, k, sum(k) OVER (ORDER BY n) AS r FROM (SELECT count(*) AS n, k FROM t GROUP BY k) ORDER BY n, k;
SELECT g, n, k, ntile(3) OVER (ORDER BY n, g, k) AS r FROM (SELECT count(*) AS n, k, max(g) AS g FROM t GROUP BY k HAVING count(*) > 0) ORDER BY n, g DESC, k;
-- A LIMIT of a union whose parts have one value each in a column.
SELECT '2018-06-11' AS c1, 0 AS c2 FROM t UNION ALL SELECT '2018-02-21', k FROM t ORDER BY c1, 2 LIMIT 5 OFFSET 2;
SELECT 'b' AS c1, k AS c2 FROM t UNION ALL SELECT 'a', id * 10 FROM t UNION ALL SELECT 'a', id FROM t ORDER BY c1, c2 LIMIT 7;
SELECT * FROM (SELECT 2 AS c1, k AS c2 FROM t UNION ALL SELECT 1, id FROM t) ORDER BY c1, c2 LIMIT 3;
