#include "crayon/session/pool_calibration.h"

#include <fmt/format.h>

#include <algorithm>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/formats/base_model.h"
#include "crayon/session/customize.h"
#include "crayon/session/device.h"

namespace crayon {
namespace {

/// What tasks were asked, all of them together.
struct Judged {
  std::vector<ChoiceSignals> signals;
  std::vector<std::uint8_t> right;
  std::vector<double> guess;
};

std::vector<Example> with_labels(const std::vector<Example>& set) {
  std::vector<Example> out;
  std::ranges::copy_if(set, std::back_inserter(out), [](const Example& one) {
    return one.kind == ExampleKind::Choices && one.choices.size() >= 2 && one.answer;
  });
  return out;
}

void ask_task(Pool& pool, const Model& model, Engine& engine, std::span<const Example> examples,
              std::span<const Example> questions, Judged& to) {
  const CustomizeReport made = customize(pool, model, engine, examples);
  const TaskInfo& info = *made.task.info;
  const TaskOnDevice task(model, {.name = info.name,
                                  .file = {},
                                  .info = info,
                                  .prompt = info.prompt,
                                  .first_layer = pool.manifest().first_layer});
  engine.set_adapter_bytes(made.file, "task");
  for (const Example& question : questions) {
    throw_if_interrupted();
    const DeviceChoice answer = task.choose(engine, question);
    to.signals.push_back(answer.raw);
    to.right.push_back(answer.choice == *question.answer);
    to.guess.push_back(guess_probability(question.choices.size()));
  }
  engine.set_adapters({});
}

}  // namespace

PoolCalibration fit_pool_calibration(Pool& pool, const Model& model, Engine& engine,
                                     std::span<const std::vector<Example>> sets, std::size_t k,
                                     const OnProgress& on_progress) {
  const BaseFit fit = check_base(pool.manifest().base, model.base(),
                                 fmt::format("pool '{}'", pool.folder().string()));
  const std::size_t least = k + (k + 2) / 3;
  PoolCalibration out;
  Judged judged;
  for (std::size_t s = 0; s < sets.size(); ++s) {
    if (on_progress) on_progress({"sets", s, sets.size()});
    const std::vector<Example> labelled = with_labels(sets[s]);
    if (labelled.size() < least) {
      ++out.left_out;
      continue;
    }
    ask_task(pool, model, engine, std::span(labelled).first(k), std::span(labelled).subspan(k),
             judged);
    ++out.sets;
  }
  if (on_progress) on_progress({"sets", sets.size(), sets.size()});
  if (out.sets == 0) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("no set of at least {} questions with choices and an answer; give "
                            "larger ones, a greater --limit or a smaller -k",
                            least));
  }
  out.calibration = fit_calibration(judged.signals, judged.right, {}, 10, judged.guess);
  out.calibration.approximate = fit == BaseFit::Requantised;
  out.accuracy = static_cast<double>(std::ranges::count(judged.right, std::uint8_t{1})) /
                 static_cast<double>(judged.right.size());
  return out;
}

}  // namespace crayon
