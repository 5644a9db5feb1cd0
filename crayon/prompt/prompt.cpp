#include "crayon/prompt/prompt.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "crayon/base/error.h"

namespace crayon {
namespace {

constexpr std::string_view kContext = "{context}";
constexpr std::string_view kQuestion = "{question}";

/// Text with the place of the passage in it.
struct Filled {
  std::string text;
  std::size_t passage_begin = 0;
  std::size_t passage_end = 0;
};

/// One pass, so that a question which holds "{context}" stays as it is.
Filled fill(std::string_view form, const Example& example) {
  Filled out;
  while (!form.empty()) {
    if (form.starts_with(kContext)) {
      out.passage_begin = out.text.size();
      out.text += example.context;
      out.passage_end = out.text.size();
      form.remove_prefix(kContext.size());
    } else if (form.starts_with(kQuestion)) {
      out.text += example.question;
      form.remove_prefix(kQuestion.size());
    } else {
      const auto next = std::min(form.find('{', 1), form.size());
      out.text += form.substr(0, next);
      form.remove_prefix(next);
    }
  }
  if (out.passage_begin == out.passage_end) out.passage_begin = out.passage_end = 0;
  return out;
}

std::string through_template(const ChatTemplate& chat_template,
                             const std::vector<ChatMessage>& messages) {
  if (!chat_template) {
    throw Error(ErrorCode::Unsupported,
                "prompt: chat messages need the model's chat template, and none is given; name one "
                "with --chat-template, or use the prompt style 'plain'");
  }
  return chat_template(messages);
}

/// The content as one message of the user, after the format's system text. A template may trim the
/// content, so the passage is looked for in what it made; not found: it cannot be cut.
Filled as_chat(const PromptFormat& format, const Filled& content,
               const ChatTemplate& chat_template) {
  std::vector<ChatMessage> messages;
  if (!format.system.empty()) messages.push_back({"system", format.system});
  messages.push_back({"user", content.text});
  Filled out{through_template(chat_template, messages)};
  const auto passage =
      std::string_view(content.text)
          .substr(content.passage_begin, content.passage_end - content.passage_begin);
  if (passage.empty()) return out;
  const auto whole = out.text.rfind(content.text);
  const auto at =
      whole != std::string::npos ? whole + content.passage_begin : out.text.rfind(passage);
  if (at == std::string::npos) return out;
  out.passage_begin = at;
  out.passage_end = at + passage.size();
  return out;
}

/// The chat up to its last question, with the format's system text where it has none of its own.
std::vector<ChatMessage> open_messages(const PromptFormat& format, const Example& example) {
  std::vector<ChatMessage> messages = example.messages;
  if (has_label(example)) messages.pop_back();
  if (messages.empty()) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("prompt: example '{}' has {} messages and none before the answer; "
                            "expected at least one",
                            example.id, example.messages.size()));
  }
  if (format.style == PromptStyle::Chat && !format.system.empty() &&
      messages.front().role != "system") {
    messages.insert(messages.begin(), {"system", format.system});
  }
  return messages;
}

Filled content_of(const PromptFormat& format, const Example& example) {
  if (example.kind == ExampleKind::Completion) return {example.prompt};
  return fill(example.context.empty() ? format.without_context : format.with_context, example);
}

/// In a chat the prefix is left out where the opened turn already ends in white space.
std::string prefix_of(const PromptFormat& format, const std::string& text) {
  const bool ends_in_space =
      !text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0;
  return format.style == PromptStyle::Chat && ends_in_space ? "" : format.choice_prefix;
}

void check_place(std::string_view form, std::string_view name, std::string_view place) {
  if (form.find(place) != std::string_view::npos) return;
  throw Error(
      ErrorCode::InvalidArgument,
      fmt::format("prompt format: {} is '{}'; expected the place {} in it", name, form, place));
}

}  // namespace

void check_format(const PromptFormat& format) {
  if (format.version != 1) {
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("prompt format: version {}; expected 1; a newer Crayon may know it",
                            format.version));
  }
  check_place(format.with_context, "with_context", kContext);
  check_place(format.with_context, "with_context", kQuestion);
  check_place(format.without_context, "without_context", kQuestion);
}

RenderedPrompt render(const PromptFormat& format, const Example& example,
                      const ChatTemplate& chat_template) {
  RenderedPrompt out;
  if (example.kind == ExampleKind::Messages) {
    out.text = through_template(chat_template, open_messages(format, example));
    if (has_label(example)) out.completion = example.messages.back().content;
    return out;
  }
  Filled filled = content_of(format, example);
  if (format.style == PromptStyle::Chat) filled = as_chat(format, filled, chat_template);
  out.text = std::move(filled.text);
  out.passage_begin = filled.passage_begin;
  out.passage_end = filled.passage_end;
  const std::string prefix = prefix_of(format, out.text);
  if (example.kind == ExampleKind::Choices) {
    for (const std::string& choice : example.choices) out.choices.push_back(prefix + choice);
  } else if (example.completion) {
    out.completion = prefix + *example.completion;
  }
  return out;
}

}  // namespace crayon
