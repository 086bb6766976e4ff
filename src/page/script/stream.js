// Plays a list of HLS in a video: by hls.js, which is fetched when it is needed first; by the browser itself
// where it has no Media Source Extensions.

const VERSION = "1.7.4";
let library = null;

/** The list's own end is some seconds behind the camera, and a player needs some more to be held up by nothing. */
const BEHIND_S = 5;

const fetched = () => (library ||= import(`/vendor/hls.light.min.mjs?v=${VERSION}`).then((module) => module.default));

export class Stream {
  /** `failed` is told in words, and with the status of the answer where there is one. */
  constructor(video, failed) {
    this.video = video;
    this.failed = failed;
    this.asked = 0;
  }

  /** Plays a list from its end if it is `live`, else from its beginning. */
  async play(url, live) {
    this.stop();
    const asked = ++this.asked;
    let Hls = null;
    try { Hls = await fetched(); } catch { library = null; }
    if (asked !== this.asked) return;
    if (Hls && Hls.isSupported()) {
      this.by(Hls, url, live);
    } else if (this.video.canPlayType("application/vnd.apple.mpegurl")) {
      this.video.src = url;
    } else {
      this.failed("This browser plays no recordings: it has neither Media Source Extensions nor HLS.");
      return;
    }
    this.video.play().catch(() => {});
  }

  by(Hls, url, live) {
    const hls = new Hls({
      enableWorker: false, liveSyncDuration: BEHIND_S, liveMaxLatencyDuration: Infinity,
      startPosition: live ? -1 : 0, maxBufferLength: 20, backBufferLength: 60,
    });
    this.hls = hls;
    let mended = 0;
    hls.on(Hls.Events.ERROR, (_, error) => {
      if (!error.fatal) return;
      const status = error.response?.code;
      if (error.type === Hls.ErrorTypes.MEDIA_ERROR && mended < 3) {
        mended += 1;
        hls.recoverMediaError();
      } else {
        const words = error.type === Hls.ErrorTypes.MEDIA_ERROR
          ? "This browser cannot play the recording; it may lack the camera's codec."
          : "The recording does not come.";
        this.stop();
        this.failed(words, status);
      }
    });
    hls.loadSource(url);
    hls.attachMedia(this.video);
  }

  /** When the picture that is shown was taken, where that is known. */
  get date() { return this.hls ? this.hls.playingDate : null; }

  /** Goes on with what is newest. */
  toEnd() {
    const at = this.hls?.liveSyncPosition;
    if (at) this.video.currentTime = at;
    this.video.play().catch(() => {});
  }

  stop() {
    this.asked += 1;
    this.hls?.destroy();
    this.hls = null;
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
  }
}
