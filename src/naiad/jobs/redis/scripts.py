"""What happens in the Redis server, in one piece each: Lua, so that no server sees half of it, and Redis' clock counts.

Keys, all below one prefix in braces, so that a cluster keeps them together:

    job:ID           hash    everything about a job
    all              zset    every job, by when it was made
    waiting          zset    jobs that wait, likewise
    waiting:MODEL    zset    those of one model that may be run now, likewise
    later            zset    those that may not yet, by when they may
    running          zset    jobs that run, by when their lease ends
    running:MODEL    set     those of one model
    ends             zset    jobs that are over, by when they are forgotten
    callbacks        zset    jobs whose callback is due, by when
    models           set     models that have jobs
    key:DIGEST       string  the job of an idempotency key
    size             string  bytes of all requests and results
"""

from __future__ import annotations

PREFIX = "{naiad-jobs}:"

PRELUDE = """
local P, call = KEYS[1], redis.call
local function now() local t = call('TIME') return t[1] + t[2] / 1e6 end
local function shown(seconds) return string.format('%.6f', seconds) end
local function leave(id, model)
    call('ZREM', P .. 'waiting', id)
    call('ZREM', P .. 'waiting:' .. model, id)
    call('ZREM', P .. 'later', id)
    call('ZREM', P .. 'running', id)
    call('SREM', P .. 'running:' .. model, id)
end
local function wait(id, model, created, due)
    leave(id, model)
    call('HSET', P .. 'job:' .. id, 'state', 'waiting', 'responses', 0)
    call('ZADD', P .. 'waiting', created, id)
    if due then call('ZADD', P .. 'later', shown(due), id)
    else call('ZADD', P .. 'waiting:' .. model, created, id) end
end
local function resize(job, size)
    call('INCRBY', P .. 'size', size - (call('HGET', job, 'size') or 0))
    call('HSET', job, 'size', size)
end
local function finish(id, ttl, tries, state, status, error, code)
    local job = P .. 'job:' .. id
    local at = now()
    leave(id, call('HGET', job, 'model'))
    call('HDEL', job, 'form', 'headers', 'body')
    call('HSET', job, 'state', state, 'finished_s', shown(at), 'status', status, 'error', error, 'code', code)
    resize(job, 0)
    call('ZADD', P .. 'ends', shown(at + ttl), id)
    if call('HGET', job, 'callback') ~= '' then
        call('HSET', job, 'callback_left', tries)
        call('ZADD', P .. 'callbacks', shown(at), id)
    end
end
local function forget(id)
    local job = P .. 'job:' .. id
    local key = call('HGET', job, 'key')
    if key and key ~= '' then call('DEL', P .. 'key:' .. key) end
    call('DECRBY', P .. 'size', call('HGET', job, 'size') or 0)
    call('ZREM', P .. 'all', id)
    call('ZREM', P .. 'ends', id)
    call('ZREM', P .. 'callbacks', id)
    call('DEL', job)
end
local function mine(id, attempt)
    local found = call('HMGET', P .. 'job:' .. id, 'state', 'attempts')
    return found[1] == 'running' and found[2] == attempt
end
"""

ADD = """
local id, model, version, form, headers, body, callback, key, fingerprint, max_count, max_size = unpack(ARGV)
if key ~= '' then
    local earlier = call('GET', P .. 'key:' .. key)
    if earlier then
        if earlier == id then return {'new', id} end
        local same = call('HGET', P .. 'job:' .. earlier, 'fingerprint') == fingerprint
        return {same and 'earlier' or 'taken', earlier}
    end
end
if call('EXISTS', P .. 'job:' .. id) == 1 then return {'new', id} end
local count = call('ZCARD', P .. 'all')
if count >= tonumber(max_count) or (tonumber(call('GET', P .. 'size') or 0) + #body) > tonumber(max_size) then
    return {'full', tostring(count)}
end
local created = shown(now())
call('HSET', P .. 'job:' .. id, 'model', model, 'version', version, 'state', 'waiting', 'created_s', created,
    'attempts', 0, 'form', form, 'headers', headers, 'body', body, 'callback', callback, 'key', key,
    'fingerprint', fingerprint, 'size', 0)
resize(P .. 'job:' .. id, #body)
call('ZADD', P .. 'all', created, id)
call('SADD', P .. 'models', model)
wait(id, model, created)
if key ~= '' then call('SET', P .. 'key:' .. key, id) end
return {'new', id}
"""
"""Returns new, earlier, taken or full, and the ID or the number of jobs."""

CANCEL = """
local id, ttl, tries, status, error, code = unpack(ARGV)
local state = call('HGET', P .. 'job:' .. id, 'state')
if not state then return '' end
if state == 'waiting' or state == 'running' then finish(id, ttl, tries, 'cancelled', status, error, code)
else forget(id) end
return state
"""

CLAIM = """
local at, claims = now(), {}
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'later', '-inf', shown(at), 'LIMIT', 0, 1000)) do
    local found = call('HMGET', P .. 'job:' .. id, 'model', 'created_s')
    wait(id, found[1], found[2])
end
for n = 2, #ARGV, 2 do
    local model = ARGV[n]
    for _, id in ipairs(call('ZRANGE', P .. 'waiting:' .. model, 0, ARGV[n + 1] - 1)) do
        local job = P .. 'job:' .. id
        leave(id, model)
        local attempt = call('HINCRBY', job, 'attempts', 1)
        call('HSET', job, 'state', 'running', 'started_s', shown(at), 'responses', 0)
        call('ZADD', P .. 'running', shown(at + ARGV[1]), id)
        call('SADD', P .. 'running:' .. model, id)
        local found = call('HMGET', job, 'version', 'form', 'headers', 'body', 'created_s')
        claims[#claims + 1] = {id, attempt, model, found[1], found[2], found[3], found[4], shown(at - found[5])}
    end
end
return claims
"""
"""Arguments: seconds of the lease; model and room, as often as there are models."""

RELEASE = """
local id, attempt, delay = unpack(ARGV)
if not mine(id, attempt) then return 0 end
local found = call('HMGET', P .. 'job:' .. id, 'model', 'created_s')
call('HINCRBY', P .. 'job:' .. id, 'attempts', -1)
wait(id, found[1], found[2], now() + delay)
return 1
"""

FINISH = """
local id, attempt, ttl, tries, max_size, state, status, error, code, responses = unpack(ARGV)
local content_type, header_length, body, full_status, full_error, full_code = unpack(ARGV, 11)
if not mine(id, attempt) then return 0 end
local job = P .. 'job:' .. id
local left = tonumber(call('GET', P .. 'size') or 0) - call('HGET', job, 'size')
if left + #body > tonumber(max_size) then
    state, status, error, code = 'failed', full_status, full_error, full_code
end
finish(id, ttl, tries, state, status, error, code)
call('HSET', job, 'responses', responses)
if state == 'done' then
    call('HSET', job, 'content_type', content_type, 'header_length', header_length, 'result', body)
    resize(job, #body)
end
return 1
"""

RENEW = """
local lost, at = {}, now()
for n = 2, #ARGV, 3 do
    local id = ARGV[n]
    if mine(id, ARGV[n + 1]) then
        call('HSET', P .. 'job:' .. id, 'responses', ARGV[n + 2])
        call('ZADD', P .. 'running', shown(at + ARGV[1]), id)
    else
        lost[#lost + 1] = id
    end
end
return lost
"""
"""Arguments: seconds of the lease; ID, attempt and answers, as often as there are jobs. Returns those that are lost."""

TEND = """
local ttl, tries, attempts, max_wait = unpack(ARGV)
local lost_status, lost_error, lost_code, late_status, late_error, late_code = unpack(ARGV, 5)
local ended, at = {}, now()
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'running', '-inf', shown(at), 'LIMIT', 0, 100)) do
    local found = call('HMGET', P .. 'job:' .. id, 'model', 'created_s', 'attempts')
    if tonumber(found[3]) >= tonumber(attempts) then
        finish(id, ttl, tries, 'failed', lost_status, lost_error, lost_code)
        ended[#ended + 1] = id
    else
        wait(id, found[1], found[2])
    end
end
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'waiting', '-inf', shown(at - max_wait), 'LIMIT', 0, 100)) do
    finish(id, ttl, tries, 'failed', late_status, late_error, late_code)
    ended[#ended + 1] = id
end
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'ends', '-inf', shown(at), 'LIMIT', 0, 100)) do forget(id) end
return ended
"""

TOTALS = """
local found, at = {call('ZCARD', P .. 'all'), tonumber(call('GET', P .. 'size') or 0)}, now()
for _, model in ipairs(call('SMEMBERS', P .. 'models')) do
    local waiting, running = P .. 'waiting:' .. model, call('SCARD', P .. 'running:' .. model)
    local count, oldest = call('ZCARD', waiting), call('ZRANGE', waiting, 0, 0, 'WITHSCORES')[2]
    if count == 0 and running == 0 then call('SREM', P .. 'models', model) end
    found[#found + 1] = {model, count, running, oldest and shown(at - oldest) or '0'}
end
return found
"""

LIST = """
local model, state, limit = unpack(ARGV)
local found, at = {}, 0
while #found < tonumber(limit) and at < 10000 do
    local ids = call('ZREVRANGE', P .. 'all', at, at + 99)
    if #ids == 0 then break end
    for _, id in ipairs(ids) do
        local has = call('HMGET', P .. 'job:' .. id, 'model', 'state')
        if (model == '' or model == has[1]) and (state == '' or state == has[2]) and #found < tonumber(limit) then
            found[#found + 1] = id
        end
    end
    at = at + 100
end
return found
"""
"""Looks at the newest 10,000."""

DUE = """
local found, at = {}, now()
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'callbacks', '-inf', shown(at), 'LIMIT', 0, ARGV[1])) do
    local left = call('HINCRBY', P .. 'job:' .. id, 'callback_left', -1)
    if left > 0 then call('ZADD', P .. 'callbacks', shown(at + ARGV[#ARGV - left + 1]), id)
    else call('ZREM', P .. 'callbacks', id) end
    found[#found + 1] = {id, left}
end
return found
"""
"""Arguments: how many; seconds until the next try after each one."""

TOLD = """
call('ZREM', P .. 'callbacks', ARGV[1])
return 1
"""

SCRIPTS = {
    "add": PRELUDE + ADD,
    "cancel": PRELUDE + CANCEL,
    "claim": PRELUDE + CLAIM,
    "release": PRELUDE + RELEASE,
    "finish": PRELUDE + FINISH,
    "renew": PRELUDE + RENEW,
    "tend": PRELUDE + TEND,
    "totals": PRELUDE + TOTALS,
    "list": PRELUDE + LIST,
    "due": PRELUDE + DUE,
    "told": PRELUDE + TOLD,
}
