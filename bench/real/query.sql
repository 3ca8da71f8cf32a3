-- SPDX-License-Identifier: BSD-2-Clause
-- Inserts, an index, joins and aggregates in a database in memory.
CREATE TABLE sale(id INTEGER PRIMARY KEY, customer INTEGER, item TEXT, price INTEGER);
CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
  INSERT INTO sale SELECT i, i * 7919 % 500, 'item' || (i * 31 % 97), i * 1103515245 % 1000 FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 499)
  INSERT INTO customer SELECT i, 'customer ' || i FROM n;
COMMIT;
CREATE INDEX by_customer ON sale(customer, price);
SELECT item, count(*), sum(price) FROM sale GROUP BY item ORDER BY 3 DESC LIMIT 3;
SELECT name, max(price) FROM customer JOIN sale ON sale.customer = customer.id
  WHERE price > 500 GROUP BY customer.id ORDER BY 2 DESC, 1 LIMIT 3;
SELECT count(*) FROM sale AS a JOIN sale AS b ON a.customer = b.customer AND a.price < b.price
  WHERE a.customer < 60;
.exit
