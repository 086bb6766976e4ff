// What becomes of a shot, as people say it.

export const words = { made: "Made", missed: "Missed", unsure: "Unsure", withdrawn: "Taken back" };
