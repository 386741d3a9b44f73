// The maps of the last reading by the label of their finding. They stay in the browser.
let maps = new Map();

function complaint(...sentences) {
  const box = document.createElement("div");
  box.className = "error";
  box.setAttribute("role", "alert");
  for (const sentence of sentences) {
    box.appendChild(document.createElement("p")).textContent = sentence;
  }
  return box.outerHTML;
}

// Answers [file, verdict and probabilities, choice of findings, map], as Gradio wants it.
async function readRadiograph(file, preset, same, lies) {
  maps = new Map();
  const none = [null, { choices: [], value: null, visible: false, __type__: "update" }, ""];
  const query = new URLSearchParams({ held: file.path, preset, rule: "youden", all_the_same: same, as_it_lies: lies });
  let answer, body;
  try {
    answer = await fetch("read?" + query, { method: "POST" });
    body = await answer.json();
  } catch {
    return [none[0], complaint("The server did not answer.", "Drop the file again in a moment."), none[1], none[2]];
  }
  if (!answer.ok) return [none[0], complaint(body.detail, body.remedy), none[1], none[2]];
  maps = new Map(body.maps.map((entry) => [entry.label, entry.html]));
  if (!maps.size) return [none[0], body.told, none[1], none[2]];
  const [first] = maps.keys();
  const choices = [...maps.keys()].map((label) => [label, label]);
  return [null, body.told, { choices, value: first, visible: true, __type__: "update" }, maps.get(first)];
}

function showMap(label) {
  return maps.get(label) ?? "";
}
