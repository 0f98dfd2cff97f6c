// <headwater-player src="https://tv.example/watch/Film.mp4"></headwater-player>
//
// The player of a Headwater title on any page. Load this file once:
//
//   <script type="module" src="https://tv.example/headwater-player.js"></script>
//
// Attributes: `src`, the address of a watch page; `t`, where to begin ("83", "1m23s"); `muted`, `autoplay`, `loop`;
// `title`, the name for screen readers; `ratio`, the shape ("16 / 9"), which the player otherwise requests from the server.

const ALLOW = "autoplay; fullscreen; picture-in-picture; encrypted-media";
const DEFAULT_RATIO = "16 / 9";
const FLAGS = ["autoplay", "muted", "loop"];

/** The address of the player for that of a watch page; null if it is neither. */
function embedOf(src, base) {
  if (!src || !URL.canParse(src, base)) return null;
  const url = new URL(src, base);
  if (!/^https?:$/.test(url.protocol) || !/^\/(?:watch|embed)\/./.test(url.pathname)) return null;
  url.pathname = url.pathname.replace(/^\/watch\//, "/embed/");
  return url;
}

class HeadwaterPlayer extends HTMLElement {
  static observedAttributes = ["src", "t", "ratio", "title", ...FLAGS];

  #frame = document.createElement("iframe");
  #isPlanned = false;
  #described = null; // the watch page whose description was requested

  connectedCallback() {
    // Styles by script: the page's own policy may forbid a <style>. Those of the page come first.
    if (getComputedStyle(this).display === "inline") this.style.setProperty("display", "block");
    this.#frame.allow = ALLOW;
    this.#frame.allowFullscreen = true;
    this.#frame.loading = "lazy";
    for (const [name, value] of [["display", "block"], ["width", "100%"], ["height", "100%"], ["border", "0"]]) {
      this.#frame.style.setProperty(name, value);
    }
    this.#plan();
  }

  attributeChangedCallback() {
    if (this.isConnected) this.#plan();
  }

  /** Shows the attributes once, after all changes of this moment. */
  #plan() {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    queueMicrotask(() => {
      this.#isPlanned = false;
      this.#show();
    });
  }

  #show() {
    const embed = embedOf(this.getAttribute("src"), document.baseURI);
    if (!embed) {
      console.error("<headwater-player> needs a src such as https://tv.example/watch/Film.mp4");
      this.#frame.remove();
      return;
    }
    const watch = new URL(embed.pathname.replace(/^\/embed\//, "/watch/"), embed).href;
    // "#t=83" is where a shared link begins.
    const t = this.getAttribute("t") ?? new URLSearchParams(embed.hash.slice(1)).get("t");
    if (t) embed.searchParams.set("t", t);
    for (const flag of FLAGS) if (this.hasAttribute(flag)) embed.searchParams.set(flag, "1");
    embed.hash = "";
    this.#frame.title = this.title || "Video";
    this.#setRatio(this.getAttribute("ratio") ?? (this.style.aspectRatio || DEFAULT_RATIO));
    if (this.#frame.src !== embed.href) this.#frame.src = embed.href;
    if (this.#frame.parentNode !== this) this.replaceChildren(this.#frame);
    if (this.#described !== watch) this.#describe(watch);
  }

  /** Takes shape and name from the server. */
  async #describe(watch) {
    this.#described = watch;
    const request = `${new URL(watch).origin}/oembed?format=json&url=${encodeURIComponent(watch)}`;
    const response = await fetch(request, { credentials: "omit" }).catch(() => null);
    const description = response?.ok ? await response.json().catch(() => null) : null;
    if (!description || this.#described !== watch) return;
    if (!this.hasAttribute("ratio")) this.#setRatio(`${description.width} / ${description.height}`);
    if (!this.title) this.#frame.title = description.title;
  }

  #setRatio(ratio) {
    this.style.setProperty("aspect-ratio", ratio);
  }
}

if (!customElements.get("headwater-player")) customElements.define("headwater-player", HeadwaterPlayer);
