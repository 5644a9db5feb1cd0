#include "crayon/bench/scoring.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "crayon/base/clock.h"
#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/nearest.h"
#include "crayon/base/sha256.h"
#include "crayon/formats/adapter_file.h"

namespace crayon {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RowScores, scores, seconds, prompt_tokens, tokens, cut_rows)

namespace {

using Json = nlohmann::json;

constexpr std::size_t kLetters = 26;
constexpr std::size_t kMostReadyBytes = std::size_t{1} << 30;

const std::vector<std::pair<std::string, Scoring>> kScorings = {{"mean", Scoring::Mean},
                                                                {"sum", Scoring::Sum},
                                                                {"character", Scoring::Character},
                                                                {"letter", Scoring::Letter}};

std::size_t utf8_length(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

/// The row with its choices listed under its question, and letters to choose from.
BenchRow lettered(BenchRow row) {
  if (row.example.choices.size() > kLetters) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("question '{}' has {} choices; scoring by letter takes at most {}",
                            row.example.id, row.example.choices.size(), kLetters));
  }
  std::vector<std::string> letters;
  std::string list;
  for (const std::string& choice : row.example.choices) {
    letters.emplace_back(1, static_cast<char>('A' + letters.size()));
    list += fmt::format("\n{}. {}", letters.back(), choice);
  }
  row.example.question += list;
  row.example.choices = std::move(letters);
  return row;
}

RenderedPrompt render_row(const Model& model, const PromptFormat& format, const BenchRow& row) {
  if (row.text.empty()) return render(format, row.example, chat_template_of(model));
  RenderedPrompt prompt{.text = row.text, .choices = {}};
  for (const std::string& choice : row.example.choices) {
    prompt.choices.push_back(row.delimiter + choice);
  }
  return prompt;
}

/// Everything that decides what the model reads.
Json format_key(const PromptFormat& format) {
  return {format.version,         format.style == PromptStyle::Chat,
          format.system,          format.with_context,
          format.without_context, format.choice_prefix};
}

}  // namespace

Scoring parse_scoring(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& [text, scoring] : kScorings) {
    if (text == name) return scoring;
    known.push_back(text);
  }
  throw Error(ErrorCode::InvalidArgument,
              fmt::format("scoring '{}'; expected one of {}", name, fmt::join(known, ", ")));
}

std::string to_string(Scoring scoring) {
  const auto found =
      std::ranges::find(kScorings, scoring, &std::pair<std::string, Scoring>::second);
  return found->first;
}

RenderedPrompt bench_prompt(const Model& model, const PromptFormat& format, const BenchRow& row,
                            Scoring scoring, std::span<const BenchRow> shots) {
  std::string before;
  for (const BenchRow& shot : shots) {
    const BenchRow asked = scoring == Scoring::Letter ? lettered(shot) : shot;
    const RenderedPrompt prompt = render_row(model, format, asked);
    before += prompt.text + prompt.choices[static_cast<std::size_t>(*shot.example.answer)] + "\n\n";
  }
  RenderedPrompt prompt =
      render_row(model, format, scoring == Scoring::Letter ? lettered(row) : row);
  prompt.text.insert(0, before);
  if (prompt.passage_end > 0) {
    prompt.passage_begin += before.size();
    prompt.passage_end += before.size();
  }
  return prompt;
}

float choice_score(Scoring scoring, const ScoredChoice& choice, const std::string& text) {
  switch (scoring) {
    case Scoring::Sum:
      return choice.sum_log_prob;
    case Scoring::Character:
      return choice.sum_log_prob / static_cast<float>(std::max<std::size_t>(1, utf8_length(text)));
    case Scoring::Mean:
    case Scoring::Letter:
      break;
  }
  return choice.mean_log_prob();
}

BenchScorer::BenchScorer(const Model& model, Engine& engine, const PromptFormat& format,
                         const ResultStore& store, const ScorerOptions& options)
    : model_(model), engine_(engine), format_(format), store_(store), options_(options) {
  options_.context_tokens = std::min(options.context_tokens, model.context_trained());
}

Json BenchScorer::common_key(const std::vector<BenchRow>& rows) const {
  Json key = {{"model", model_.base().sha256},
              {"context", options_.context_tokens},
              {"format", format_key(format_)},
              {"rows", hash_rows(rows)}};
  if (options_.exact) key["exact"] = true;
  return key;
}

std::size_t BenchScorer::fitting_shots(const std::vector<BenchRow>& rows,
                                       std::span<const BenchRow> shots) const {
  const Tokenize tokenize = prompt_tokenizer(model_);
  std::size_t longest = 0;
  for (const BenchRow& row : rows) {
    const RenderedPrompt prompt = bench_prompt(model_, format_, row, options_.scoring);
    std::size_t answer = 0;
    for (const std::string& choice : prompt.choices) {
      answer = std::max(answer, tokenize(choice).size());
    }
    longest = std::max(longest, tokenize(prompt.text).size() + answer);
  }
  std::size_t used = longest;
  std::size_t n = 0;
  for (; n < shots.size(); ++n) {
    const RenderedPrompt shot = bench_prompt(model_, format_, shots[n], options_.scoring);
    const auto answer = static_cast<std::size_t>(*shots[n].example.answer);
    used += tokenize(shot.text + shot.choices[answer] + "\n\n").size() + 1;  // where tokens join
    if (used > static_cast<std::size_t>(options_.context_tokens)) break;
  }
  return n;
}

OnPrompts BenchScorer::progress(const std::string& step, std::size_t total) const {
  return [this, step, total](std::size_t done) {
    throw_if_interrupted();
    if (on_progress_) on_progress_({step, done, total});
  };
}

std::unique_ptr<PreparedPrompts> BenchScorer::prepare(const std::vector<BenchRow>& rows,
                                                      const PrepareOptions& options) {
  std::vector<RenderedPrompt> prompts;
  for (const BenchRow& row : rows) {
    try {
      prompts.push_back(bench_prompt(model_, format_, row, options_.scoring));
    } catch (const Error& error) {
      throw about_example(row.example.id, error);
    }
  }
  try {
    return engine_.prepare(prompts, options, progress("read", rows.size()));
  } catch (const Error&) {
    // The engine does not know the rows' names: the one at fault says its own.
    std::vector<Example> examples;
    for (const BenchRow& row : rows) examples.push_back(row.example);
    (void)count_cut(model_, examples, prompts, options_.context_tokens);
    throw;
  }
}

/// A task's questions and examples are asked for again and again; the oldest give way.
const PreparedPrompts& BenchScorer::ready(const std::vector<BenchRow>& rows,
                                          const PrepareOptions& options) {
  const std::string key =
      fmt::format("{} {} {}", options.first_layer, options.states, hash_rows(rows));
  const auto found = std::ranges::find(ready_, key, &Ready::key);
  if (found != ready_.end()) {
    ready_.splice(ready_.begin(), ready_, found);
    return *ready_.front().prompts;
  }
  ready_.push_front({key, prepare(rows, options)});
  std::size_t bytes = 0;
  auto last = ready_.begin();
  while (last != ready_.end() && (last == ready_.begin() || bytes < kMostReadyBytes)) {
    bytes += (last++)->prompts->bytes();
  }
  ready_.erase(last, ready_.end());
  return *ready_.front().prompts;
}

void BenchScorer::add(const BenchRow& row, const ScoreResult& result, RowScores& to) const {
  std::vector<float> scores;
  to.prompt_tokens += result.prompt_tokens;
  to.tokens += result.prompt_tokens;
  for (std::size_t c = 0; c < result.choices.size(); ++c) {
    scores.push_back(choice_score(options_.scoring, result.choices[c], row.example.choices[c]));
    to.tokens += static_cast<std::size_t>(result.choices[c].tokens);
  }
  if (result.cut_tokens > 0) ++to.cut_rows;
  if (Matrix states = states_of(result); states.rows > 0) to.states.push_back(std::move(states));
  to.scores.push_back(std::move(scores));
}

RowScores BenchScorer::run(const std::vector<BenchRow>& rows, const PrepareOptions& options) {
  const PreparedPrompts& prompts = ready(rows, options);
  const auto start = std::chrono::steady_clock::now();
  const auto results = engine_.score_prepared(prompts, progress("score", rows.size()));
  RowScores found;
  for (std::size_t i = 0; i < rows.size(); ++i) add(rows[i], results[i], found);
  found.seconds = seconds_since(start) + prompts.seconds();
  return found;
}

RowScores BenchScorer::run_behind(const std::vector<BenchRow>& rows,
                                  std::span<const BenchRow> shots) {
  RowScores found;
  const auto start = std::chrono::steady_clock::now();
  const OnPrompts done = progress("score", rows.size());
  for (const BenchRow& row : rows) {
    try {
      const RenderedPrompt prompt = bench_prompt(model_, format_, row, options_.scoring, shots);
      add(row, engine_.score({.prompt = prompt, .embed = false}, {}), found);
    } catch (const Error& error) {
      throw about_example(row.example.id, error);
    }
    done(found.scores.size());
  }
  found.seconds = seconds_since(start);
  return found;
}

std::vector<std::byte> BenchScorer::file_of(const Adapter* adapter) const {
  if (adapter == nullptr) return {};
  const AdapterFileOptions options{.architecture = model_.base().architecture,
                                   .name = "bench",
                                   .type = TensorType::F16,
                                   .metadata = {},
                                   .fill_rank = true};
  return adapter_to_gguf(*adapter, options);
}

int BenchScorer::set(const Adapter* adapter, std::span<const std::byte> file) {
  if (adapter == nullptr) {
    engine_.set_adapters({});
    return options_.first_layer;
  }
  engine_.set_adapter_bytes(file, "the method's adapter");
  return lowest_layer(*adapter) < options_.first_layer ? 0 : options_.first_layer;
}

RowScores BenchScorer::score_with_states(const Adapter* adapter,
                                         const std::vector<BenchRow>& rows) {
  const int first_layer = set(adapter, file_of(adapter));
  return run(rows, {.first_layer = first_layer, .states = true});
}

RowScores BenchScorer::score(const Adapter* adapter, const std::vector<BenchRow>& rows,
                             std::span<const BenchRow> shots) {
  const std::vector<std::byte> file = file_of(adapter);
  Json key = common_key(rows);
  key["kind"] = "scores";
  key["scoring"] = to_string(options_.scoring);
  key["adapter"] = adapter == nullptr ? "" : sha256_hex(file);
  key["shots"] = hash_rows({shots.begin(), shots.end()});
  if (const auto known = store_.get(key)) {
    auto found = known->get<RowScores>();
    saved_seconds_ += found.seconds;
    return found;
  }
  const int first_layer = set(adapter, file);
  const RowScores found =
      shots.empty() ? run(rows, {.first_layer = first_layer}) : run_behind(rows, shots);
  store_.put(key, found);
  return found;
}

std::vector<RenderedPrompt> BenchScorer::prompts_of(const std::vector<BenchRow>& rows) const {
  std::vector<RenderedPrompt> prompts;
  for (const BenchRow& row : rows) prompts.push_back(render_row(model_, format_, row));
  return prompts;
}

std::vector<Matrix> BenchScorer::embed_layers(const std::vector<BenchRow>& rows,
                                              std::span<const int> layers, Pooling pooling) {
  const OnPrompts done = progress("embed", rows.size());
  return engine_.embed_layers(prompts_of(rows), layers, pooling,
                              [&](std::size_t i) { done(i + 1); });
}

Matrix BenchScorer::embed(const std::vector<BenchRow>& rows, const EmbeddingSpec& spec) {
  Json key = common_key(rows);
  key["kind"] = "embedding";
  key["layer"] = spec.layer;
  key["pooling"] = to_string(spec.pooling);
  Matrix h(rows.size(), static_cast<std::size_t>(model_.base().d_model));
  if (const auto known = store_.get(key)) {
    known->at("h").get_to(h.data);
    saved_seconds_ += known->at("seconds").get<double>();
    return h;
  }
  const auto start = std::chrono::steady_clock::now();
  const OnPrompts done = progress("embed", rows.size());
  h = engine_.embed(prompts_of(rows), spec, [&](std::size_t i) { done(i + 1); });
  store_.put(key, {{"h", h.data}, {"seconds", seconds_since(start)}});
  return h;
}

}  // namespace crayon
