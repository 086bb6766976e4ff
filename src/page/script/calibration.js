// What the box learns of its rims.

/** What the box learns of its rims, as it told last. */
export let calibration = { mode: "off", courts: {} };

/** Takes what the box tells; without a word of it, calibration is off. */
export function learn(told) {
  calibration = told || { mode: "off", courts: {} };
}

/** What is known of a court's rims, in words. */
export function calibrated(court) {
  const rims = calibration.courts[court] || [];
  const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
  return rims.map(({ attempts, verdicts, shift, from }, index) => {
    const name = rims.length > 1 ? `rim ${index + 1}: ` : "";
    const judged = verdicts ? `, ${verdicts} judged` : "";
    const does = from === "nothing" ? "no shift yet" : `shift ${signed(shift)}${calibration.mode === "on" ? "" : ", not applied"}`;
    return `${name}${attempts} shots${judged}, ${does}`;
  }).join("; ");
}
