// Before the first paint: the classes of the page that decide its layout, as far as only this browser knows them, so
// that nothing moves later. A classic script, because a module runs after the browser may have painted.

(() => {
  const AUDIO = /\.(aac|ac3|aiff?|flac|isma|m4a|m4b|mka|mp3|oga|ogg|opus|wav|wma)$/i;
  const path = location.pathname;
  const isWatching = path.startsWith("/watch/");
  const isHome = path === "/" && !new URLSearchParams(location.search).get("search");

  const hasPositions = () => {
    try {
      return JSON.parse(localStorage.getItem("headwater-positions") ?? "[]").some(({ is_gone }) => !is_gone);
    } catch {
      return false;
    }
  };

  const { classList } = document.body;
  classList.toggle("watching", isWatching);
  classList.toggle("opening", isWatching); // until the height of what is above the list is known
  classList.toggle("audio", isWatching && AUDIO.test(path));
  classList.toggle("begun", isHome && hasPositions());
})();
