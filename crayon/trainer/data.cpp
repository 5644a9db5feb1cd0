#include "crayon/trainer/internal/data.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <ostream>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/random.h"
#include "crayon/base/sha256.h"
#include "crayon/formats/examples.h"

namespace crayon {
namespace {

/// Leaves the right choice and random others, in their old order.
void subsample_choices(Example& example, std::size_t most, Rng& rng) {
  const std::size_t n = example.choices.size();
  if (n <= most) return;
  const auto answer = static_cast<std::size_t>(*example.answer);
  std::vector<std::size_t> others;
  for (std::size_t i = 0; i < n; ++i) {
    if (i != answer) others.push_back(i);
  }
  rng.shuffle(others);
  others.resize(most - 1);
  others.push_back(answer);
  std::sort(others.begin(), others.end());
  std::vector<std::string> kept;
  for (const std::size_t i : others) {
    if (i == answer) example.answer = static_cast<int>(kept.size());
    kept.push_back(example.choices[i]);
  }
  example.choices = std::move(kept);
}

/// The prompt with its choices; free text with its known answer as the only one.
RenderedPrompt render_item(const TrainConfig& config, const Model& model, const Example& example) {
  RenderedPrompt prompt =
      render(config.prompt, example, [&](const std::vector<ChatMessage>& messages) {
        return model.apply_chat_template(messages);
      });
  if (prompt.completion) prompt.choices = {*prompt.completion};
  return prompt;
}

/// Rows that are no items, and why.
struct LeftOut {
  std::size_t too_long = 0;
  std::size_t unlabelled = 0;
};

/// What to do about a set none of whose rows can be used.
std::string advice(const LeftOut& rows) {
  std::string text;
  if (rows.unlabelled > 0) text += "give its rows answers, ";
  if (rows.too_long > 0) text += "raise [train] max_tokens, ";
  if (text.empty()) text = "add rows to it, ";
  return text + "or leave the set out";
}

class Loader {
 public:
  Loader(const TrainConfig& config, const Model& model) : config_(config), model_(model) {}

  ItemSet load(const TrainSet& set) {
    ItemSet result;
    result.name = set.name;
    result.sha256 = sha256_hex(sha256_file(set.train) +
                               (set.validation.empty() ? "" : sha256_file(set.validation)));
    std::vector<Example> train = read_examples(set.train, static_cast<std::size_t>(set.limit));
    const std::vector<Example> held_out =
        set.validation.empty() ? hold_out(set, train) : read_examples(set.validation);
    load_train(set, std::move(train), result);
    const LeftOut of_validation = load_validation(held_out, result);
    // Free text has no choices to be right about: its sets are trained on, not validated.
    const bool needs_validation = result.multiple_choice > 0;
    if (result.train.empty()) refuse(result, "training", {result.too_long, result.unlabelled});
    if (needs_validation && result.validation.empty()) refuse(result, "validation", of_validation);
    return result;
  }
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  [[noreturn]] void refuse(const ItemSet& set, const char* part, const LeftOut& rows) const {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("{}: set '{}' has no usable {} item ({} too long, {} without answer); "
                            "expected at least one; {}",
                            config_.file.string(), set.name, part, rows.too_long, rows.unlabelled,
                            advice(rows)));
  }

  /// Takes the validation rows out of the training rows: the same ones for the same seed.
  std::vector<Example> hold_out(const TrainSet& set, std::vector<Example>& train) const {
    const std::size_t n = train.size();
    if (n < 2) {
      throw Error(ErrorCode::InvalidArgument,
                  fmt::format("{}: set '{}' has {} row and no validation file; expected at least 2 "
                              "rows, so that one can be held out",
                              config_.file.string(), set.name, n));
    }
    const auto share = static_cast<std::size_t>(static_cast<double>(n) * set.validation_share);
    const std::size_t held = std::clamp<std::size_t>(share, 1, n - 1);
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    Rng rng(config_.train.seed, "validation of " + set.name);
    rng.shuffle(order);
    std::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(held));
    std::sort(order.begin() + static_cast<std::ptrdiff_t>(held), order.end());
    std::vector<Example> validation, rest;
    for (std::size_t i = 0; i < n; ++i) {
      (i < held ? validation : rest).push_back(std::move(train[order[i]]));
    }
    train = std::move(rest);
    return validation;
  }

  void load_train(const TrainSet& set, std::vector<Example> examples, ItemSet& result) {
    Rng rng(config_.train.seed, "choices of " + set.name);
    const auto longest = static_cast<std::size_t>(config_.train.max_tokens);
    for (Example& example : examples) {
      throw_if_interrupted();
      if (!has_label(example)) {
        ++result.unlabelled;
        continue;
      }
      const bool choices = example.kind == ExampleKind::Choices;
      if (choices) {
        subsample_choices(example, static_cast<std::size_t>(config_.train.max_choices), rng);
      }
      auto item = tokenize(example, longest);
      if (item) {
        result.train.push_back(std::move(*item));
        if (choices) ++result.multiple_choice;
      } else {
        ++result.too_long;
      }
    }
  }

  LeftOut load_validation(const std::vector<Example>& examples, ItemSet& result) {
    LeftOut rows;
    const auto most = static_cast<std::size_t>(
        std::max(config_.train.validation_items, config_.train.calibration_items));
    const auto longest = 2 * static_cast<std::size_t>(config_.train.max_tokens);
    for (const Example& example : examples) {
      if (result.validation.size() == most) break;
      throw_if_interrupted();
      if (!has_label(example)) {
        ++rows.unlabelled;
        continue;
      }
      if (example.kind != ExampleKind::Choices) continue;
      if (auto item = tokenize(example, longest)) {
        result.validation.push_back(std::move(*item));
      } else {
        ++rows.too_long;
      }
    }
    return rows;
  }

  /// Nothing when all choices together are longer than `longest` tokens, or a choice has none.
  std::optional<TrainItem> tokenize(const Example& example, std::size_t longest) {
    const RenderedPrompt prompt = render_item(config_, model_, example);
    TrainItem item;
    item.tokens = tokenize_choices(prompt, prompt_tokenizer(model_), 1 << 20);
    std::size_t length = item.tokens.prefix.size();
    for (const auto& branch : item.tokens.branches) length += branch.size();
    if (length > longest) return std::nullopt;
    item.answer = example.kind == ExampleKind::Choices ? *example.answer : 0;
    item.length = static_cast<int>(length);
    item.id = count_++;
    return item;
  }

  const TrainConfig& config_;
  const Model& model_;
  std::size_t count_ = 0;
};

}  // namespace

LoadedItems load_items(const TrainConfig& config, const Model& model, std::ostream& notes) {
  LoadedItems items;
  Loader loader(config, model);
  for (const TrainSet& set : config.sets) {
    items.sets.push_back(loader.load(set));
    const ItemSet& loaded = items.sets.back();
    fmt::print(notes, "{}: {} training and {} validation items", loaded.name, loaded.train.size(),
               loaded.validation.size());
    if (loaded.too_long > 0) fmt::print(notes, ", {} left out as too long", loaded.too_long);
    if (loaded.validation.empty()) fmt::print(notes, ", free text, not validated");
    if (loaded.unlabelled > 0) fmt::print(notes, ", {} without answer", loaded.unlabelled);
    notes << std::endl;
  }
  items.count = loader.count();
  return items;
}

}  // namespace crayon
