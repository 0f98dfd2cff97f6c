// Types by openapi-typescript, with plain fetch: lists titles, reads one, and asks for a rendition.

import type { components, paths } from "./generated/openapi-typescript/api";

type Titles = paths["/api/titles"]["get"]["responses"][200]["content"]["application/json"];
type Title = paths["/api/titles/{path}"]["get"]["responses"][200]["content"]["application/json"];
type JobRequest = paths["/api/jobs"]["post"]["requestBody"]["content"]["application/json"];
type Job = components["schemas"]["Job"];

async function get<T>(url: string): Promise<T> {
  const response = await fetch(url);
  if (!response.ok) {
    const problem = (await response.json()) as components["schemas"]["Problem"];
    throw new Error(`${problem.type}: ${problem.detail}`);
  }
  return (await response.json()) as T;
}

export async function addresses(server: string): Promise<string[]> {
  const { titles } = await get<Titles>(`${server}/api/titles?limit=10&sort=-modified`);
  const documents = titles.map(({ path }) => get<Title>(`${server}/api/titles/${encodeURIComponent(path)}`));
  return (await Promise.all(documents)).flatMap(({ playable, file, hls, texts }) => {
    const captions = texts.filter(({ kind, is_forced }) => kind === "captions" && !is_forced);
    return [playable.file ? file : hls, ...captions.map(({ url }) => url)].filter((url) => url !== null);
  });
}

export async function makeRendition(server: string, title: string): Promise<Job> {
  const wanted: JobRequest = { kind: "rendition", title, height: 720, codec: "h264" };
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`${server}/api/jobs`, { method: "POST", headers, body: JSON.stringify(wanted) });
  return (await response.json()) as Job;
}
