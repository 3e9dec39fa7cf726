-- How Argo CD judges HostedContainers, OSImages, ImageDistributions and NodeStores: by their conditions.
-- Degraded: a person must act, or what was good has stopped by itself. Suspended: a person wants it to wait.
local health = { status = "Progressing", message = "Waiting for Monoroot to look at it" }
local status = obj.status
if status == nil or status.conditions == nil then
  return health
end
if status.observedGeneration ~= nil and status.observedGeneration ~= obj.metadata.generation then
  return health
end
local by = {}
for _, condition in ipairs(status.conditions) do
  by[condition.type] = condition
end
local function is(kind, value)
  return by[kind] ~= nil and by[kind].status == value
end
local function result(state, condition)
  return { status = state, message = condition.reason .. ": " .. condition.message }
end
if by.Ready == nil then
  return health
end
if is("Stalled", "True") then
  return result("Degraded", by.Stalled)
end
local wanted = { Suspended = true, Paused = true, OutsideWindow = true, NotDistributed = true }
if wanted[by.Ready.reason] and not is("Reconciling", "True") then
  return result("Suspended", by.Ready)
end
-- What was good and does not run now, without anybody changing it, is not "progressing".
local broken = { Restarting = true, NodeUnreachable = true }
if is("Ready", "False") and broken[by.Ready.reason] and not is("Upgraded", "Unknown") then
  return result("Degraded", by.Ready)
end
if is("Reconciling", "True") then
  return result("Progressing", by.Reconciling)
end
if is("Ready", "True") then
  return result("Healthy", by.Ready)
end
return result("Progressing", by.Ready)
