// Speaking to the server: JSON both ways, and an error is always one sentence.

export class ApiError extends Error {
  constructor(message, status, data = null) {
    super(message);
    this.status = status;
    this.data = data;
  }
}

async function read(answer) {
  const kind = answer.headers.get("content-type") ?? "";
  const data = kind.includes("json") ? await answer.json() : null;
  if (!answer.ok) throw new ApiError(data?.error ?? `the server answered ${answer.status}`, answer.status, data);
  return data;
}

async function reach(path, how) {
  try {
    return await fetch(path, how);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("the server does not answer: is cupl serve still running?", 0);
  }
}

/** Look at something; `asked` stands behind the "?". */
export async function get(path, asked = {}, signal = undefined) {
  const behind = new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== undefined && value !== null));
  return read(await reach(behind.size ? `${path}?${behind}` : path, { signal }));
}

/** Do or compute something. */
export async function post(path, body = {}, signal = undefined) {
  return read(await reach(path, {
    method: "POST", body: JSON.stringify(body), signal, headers: { "Content-Type": "application/json" },
  }));
}

/** Send a photo; gives its name for the server. */
export async function upload(file) {
  return read(await reach("/api/uploads", {
    method: "POST", body: file,
    headers: { "Content-Type": "application/octet-stream", "X-File-Name": encodeURIComponent(file.name) },
  }));
}
