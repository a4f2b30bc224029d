-- KEYS: values, versions, version, changes, answer of this client
-- ARGV: client, turn, how many entries to keep; then of each change path, expected, put or remove, value
local values, versions, version, changes, answer = unpack(KEYS)
local client, turn, kept = ARGV[1], ARGV[2], ARGV[3]

local before = redis.call('GET', answer)
if before then
  local answered, first = string.match(before, '^(%d+) (%d+)$')
  if answered == turn then
    return {'stored', first}
  end
end

for at = 4, #ARGV, 4 do
  local path, expected = ARGV[at], ARGV[at + 1]
  if expected ~= 'any' then
    local found = redis.call('HGET', versions, path)
    if not found then
      found = redis.call('HEXISTS', values, path) == 1 and '0' or 'missing'
    end
    if found ~= expected then
      return {'conflict', tostring((at - 4) / 4)}
    end
  end
end

-- Versions go on after a server that lost its data began anew, so they are no mere count.
local time = redis.call('TIME')
local first = time[1] * 1000000 + time[2]
first = math.max(first, (redis.call('GET', version) or 0) + 1)
local function text(number)
  return string.format('%.0f', number)
end

local next, paths = first, {}
for at = 4, #ARGV, 4 do
  local path, put, value = ARGV[at], ARGV[at + 2] == 'put', ARGV[at + 3]
  if put then
    redis.call('HSET', values, path, value)
    redis.call('HSET', versions, path, text(next))
  else
    redis.call('HDEL', values, path)
    redis.call('HDEL', versions, path)
  end
  paths[#paths + 1] = path
  next = next + 1
end
redis.call('SET', version, text(next - 1))
redis.call('XADD', changes, 'MAXLEN', '~', kept, '*', 'client', client, 'paths', cjson.encode(paths))
redis.call('SET', answer, turn .. ' ' .. text(first), 'EX', 600)
return {'stored', text(first)}
