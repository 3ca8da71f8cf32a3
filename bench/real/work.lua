-- SPDX-License-Identifier: BSD-2-Clause
-- Tables, strings and numbers; traces are compiled while it runs.
local seed = 12345
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n
end
local queens = 0
local function place(row, columns, left, right, n)
  if row == n then queens = queens + 1 return end
  for c = 0, n - 1 do
    if not columns[c] and not left[row + c] and not right[row - c] then
      columns[c], left[row + c], right[row - c] = true, true, true
      place(row + 1, columns, left, right, n)
      columns[c], left[row + c], right[row - c] = nil, nil, nil
    end
  end
end
place(0, {}, {}, {}, 8)
local sum, list = 0, {}
for i = 1, 300000 do list[i] = random(1000) end
for round = 1, 20 do
  for i = 2, #list do sum = (sum + list[i] * list[i - 1]) % 1000003 end
end
local parts = {}
for i = 1, 20000 do parts[i] = ("%d:%x"):format(i, list[i]) end
table.sort(parts)
print(queens, sum, #table.concat(parts, ","), parts[77])
