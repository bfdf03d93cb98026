export function followRuns() {}
