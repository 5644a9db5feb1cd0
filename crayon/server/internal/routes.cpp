#include "crayon/server/internal/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

#include "crayon/base/error.h"
#include "crayon/session/answer.h"
#include "crayon/session/server_side.h"

namespace crayon::server {
namespace {

constexpr int kCompletionTokens = 16;  // of /v1/completions without max_tokens, as the API has it

std::int64_t now_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

std::uint64_t any_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

/// What of an error may be told, logged and counted.
std::string reason_of(const Error& error) {
  if (dynamic_cast<const Kept*>(&error) != nullptr) return error.what();
  return error.code() == ErrorCode::Unavailable ? "server unavailable" : "server failed";
}

std::vector<ChatMessage> messages_of(const ApiRequest& request) {
  return request.chat ? request.messages : std::vector<ChatMessage>{{"user", request.prompt}};
}

/// The request as a question with choices: what stands before its last message is its context.
Example question_of(const ApiRequest& request) {
  const auto messages = messages_of(request);
  Example question;
  question.choices = request.guided_choice;
  for (std::size_t i = 0; i + 1 < messages.size(); ++i) {
    question.context += (i == 0 ? "" : "\n\n") + messages[i].content;
  }
  question.question = messages.back().content;
  return question;
}

/// As soon as the queue has room for it: the user was promised an answer.
std::shared_ptr<Generation> generate_anyway(EngineQueue& queue, const Generation::Job& job,
                                            const std::function<bool()>& cancelled) {
  for (;;) {
    try {
      return std::make_shared<Generation>(queue, job, cancelled);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::Unavailable || cancelled()) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

/// Logs an answer whatever becomes of it: its client may go, or its source break off.
void finish_early(Entry& entry, AnswerSource& source) {
  source.abandon();
  entry.finish(source.end());
}

/// Whoever asked has gone before the server's first word, which may have cost all the same.
void finish_abandoned(Entry& entry, ServerCall& call) {
  call.enough();
  entry.paid(call.reply().money);
  entry.finish({});
}

}  // namespace

Routes::Routes(const Model& model, EngineQueue& queue, OpenAiApiOptions options)
    : model_(model),
      queue_(queue),
      options_(std::move(options)),
      board_(model, options_.books),
      started_(now_seconds()) {}

std::string Routes::models() const { return model_list(options_.model_name, started_); }
std::string Routes::metrics() const { return board_.metrics().text(queue_.waiting()); }

void Routes::check_model(const std::string& name) const {
  if (name.empty() || name == options_.model_name) return;
  throw Error(ErrorCode::NotFound,
              fmt::format("field 'model' names a model that is not served here; expected '{}'",
                          options_.model_name));
}

Routes::Cancelled Routes::cancelled_by(const ServerRequest& http) const {
  return [this, gone = http.disconnected] {
    return gone() || (options_.stopping && options_.stopping());
  };
}

std::string Routes::prompt_of(const ApiRequest& request) const {
  return request.chat ? model_.apply_chat_template(request.messages) : request.prompt;
}

GenerateOptions Routes::generate_options(const ApiRequest& request) const {
  GenerateOptions out;
  const int unsaid = request.chat ? options_.context_tokens : kCompletionTokens;
  out.max_tokens = request.max_tokens.value_or(unsaid);
  out.temperature = static_cast<float>(request.temperature);
  out.top_p = static_cast<float>(request.top_p);
  out.seed = request.seed ? *request.seed : any_seed();
  out.stop = request.stop;
  out.top_log_probs = request.top_log_probs;
  return out;
}

AnswerHead Routes::head(const ApiRequest& request) {
  const auto id =
      fmt::format("{}-{:x}-{}", request.chat ? "chatcmpl" : "cmpl", started_, ++answers_);
  return {request.chat, id, options_.model_name, now_seconds(), request.log_probs};
}

ServerResponse Routes::answer(const ApiRequest& request, const ServerRequest& http) {
  check_model(request.model);
  Entry entry(board_, request, http);
  const Cancelled cancelled = cancelled_by(http);
  return request.guided_choice.empty() ? write(request, cancelled, entry)
                                       : choose(request, cancelled, entry);
}

// What the engine refuses comes out here, before the first byte: with its status, streamed or not.
ServerResponse Routes::write(const ApiRequest& request, const Cancelled& cancelled, Entry& entry) {
  std::shared_ptr<AnswerSource> source;
  if (entry.may_leave()) {
    source = routed(request, cancelled, entry);
  } else {
    const Generation::Job job{.prompt = prompt_of(request), .options = generate_options(request)};
    auto generation = std::make_shared<Generation>(queue_, job, cancelled);
    generation->wait_for_first();
    source = device_source(std::move(generation));
  }
  return request.stream ? stream(request, std::move(source), cancelled, entry)
                        : whole(request, *source, entry);
}

std::shared_ptr<AnswerSource> Routes::routed(const ApiRequest& request, const Cancelled& cancelled,
                                             Entry& entry) {
  Generation::Job job{.prompt = prompt_of(request), .options = generate_options(request)};
  // Written on the engine's thread before the first token is handed over, read here behind it.
  const auto scope = std::make_shared<std::optional<double>>();
  auto first = job;
  first.options = board_.task().telling_scope(job.options, [scope](double p) { *scope = p; });
  auto generation = std::make_shared<Generation>(queue_, first, cancelled);
  const std::size_t enough =
      board_.always() ? 1 : std::max<std::size_t>(board_.books().hold_back, 1);
  std::vector<GeneratedToken> held;
  while (held.size() < enough) {
    auto token = generation->next();
    if (!token) break;
    held.push_back(std::move(*token));
  }
  const ChoiceSignals raw = TaskOnDevice::raw_text_signals(held);
  const Signals signals = board_.task().signals(raw, *scope);
  const Decision decision = board_.decide(signals);
  entry.decided(raw, signals, decision);
  if (decision.side == Side::Device) return device_source(std::move(generation), std::move(held));
  generation.reset();  // the engine is free while the server is asked
  if (auto source = ask_server(request, job.options, cancelled, entry)) return source;
  generation = generate_anyway(queue_, job, cancelled);
  generation->wait_for_first();
  return device_source(std::move(generation));
}

std::shared_ptr<AnswerSource> Routes::ask_server(const ApiRequest& request,
                                                 const GenerateOptions& options,
                                                 const Cancelled& cancelled, Entry& entry) {
  const ChatOptions how{.max_tokens = options.max_tokens,
                        .temperature = static_cast<double>(options.temperature),
                        .top_log_probs = 0};
  const auto ask = [door = &board_.door(), messages = messages_of(request), how,
                    stream = request.stream](const OnText& on_text, const Cancelled& gone) {
    return door->chat(messages, how, {.local_only = false, .gone = gone},
                      stream ? on_text : OnText{});
  };
  auto call = std::make_unique<ServerCall>(ask, cancelled);
  try {
    call->wait_for_first();
  } catch (const Error& error) {
    if (cancelled()) {
      finish_abandoned(entry, *call);
      throw;
    }
    entry.answered_by(Side::Device, reason_of(error));
    entry.paid(money_of(error));
    return nullptr;
  }
  return server_source(std::move(call), request.stop);
}

ServerResponse Routes::whole(const ApiRequest& request, AnswerSource& source, Entry& entry) {
  std::string text;
  std::vector<GeneratedToken> tokens;
  try {
    while (auto token = source.next()) {
      text += token->text;
      entry.take(*token);
      tokens.push_back(std::move(*token));
    }
  } catch (...) {
    finish_early(entry, source);
    throw;
  }
  const AnswerEnd end = source.end();
  entry.finish(end);
  return {.body = whole_answer(head(request), text, tokens, end.finish, end.usage),
          .headers = entry.headers()};
}

ServerResponse Routes::stream(const ApiRequest& request, std::shared_ptr<AnswerSource> source,
                              const Cancelled& cancelled, const Entry& about) {
  ServerResponse response;
  response.headers = about.headers();
  response.stream = [source = std::move(source), head = head(request),
                     with_usage = request.include_usage, entry = about,
                     cancelled](const SendEvent& send) mutable {
    const auto gone = [&] { finish_early(entry, *source); };
    if (head.chat && !send(role_chunk(head))) return gone();
    std::size_t offset = 0;
    try {
      while (const auto token = source->next()) {
        entry.take(*token);
        if (token->text.empty() && !head.log_probs) continue;  // part of a character
        if (!send(piece_chunk(head, *token, offset))) return gone();
        offset += token->text.size();
      }
    } catch (...) {  // it becomes an error event: nobody else goes on with a text that was begun
      if (!cancelled()) entry.broke_off();
      finish_early(entry, *source);
      throw;
    }
    const AnswerEnd end = source->end();
    entry.finish(end);
    if (!send(finish_chunk(head, end.finish))) return;
    if (with_usage && !send(usage_chunk(head, end.usage))) return;
    send("[DONE]");
  };
  return response;
}

bool Routes::server_choice(const ApiRequest& request, const Cancelled& cancelled, Entry& entry,
                           std::size_t& index, AnswerEnd& end) {
  auto answer = std::make_shared<ServerAnswer>();  // the call's thread fills it in
  ServerCall call(
      [answer, door = &board_.door(), question = question_of(request)](const OnText&,
                                                                       const Cancelled& gone) {
        *answer = ask_choice(*door, question, {.local_only = false, .gone = gone});
        return ServerDoor::Reply{.answer = {}, .money = answer->money};
      },
      cancelled);
  try {
    call.wait_for_first();
  } catch (const Error& error) {
    if (cancelled()) {
      finish_abandoned(entry, call);
      throw;
    }
    entry.answered_by(Side::Device, reason_of(error));
    entry.paid(money_of(error));
    return false;
  }
  end.money = answer->money;
  if (!answer->choice) {
    entry.answered_by(Side::Device, kNoChoiceNamed);
    return false;
  }
  index = static_cast<std::size_t>(*answer->choice);
  end.usage = {static_cast<std::size_t>(std::max(0, answer->prompt_tokens)),
               static_cast<std::size_t>(std::max(0, answer->completion_tokens))};
  return true;
}

ServerResponse Routes::choose(const ApiRequest& request, const Cancelled& cancelled, Entry& entry) {
  const TaskOnDevice& task = board_.task();
  const Example question = question_of(request);
  const bool own_prompt = request.chat && task.customised();
  const RenderedPrompt prompt =
      own_prompt ? task.prompt(question)
                 : RenderedPrompt{prompt_of(request), request.guided_choice, 0, 0};
  std::optional<DeviceChoice> chosen;
  queue_.run([&](Engine& engine) {
    if (!cancelled()) chosen = task.choose(engine, question, prompt);
  });
  if (!chosen) throw Error(ErrorCode::Unavailable, "the answer was cancelled");
  auto index = static_cast<std::size_t>(chosen->choice);
  AnswerEnd end;
  end.usage = {chosen->prompt_tokens, chosen->choice_tokens};
  bool by_server = false;
  if (entry.may_leave()) {
    const Decision decision = board_.decide(chosen->signals);
    entry.decided(chosen->raw, chosen->signals, decision);
    if (decision.side == Side::Server) {
      by_server = server_choice(request, cancelled, entry, index, end);
    }
  } else {
    entry.take_signals(chosen->raw, chosen->signals);
  }
  AnswerEnd logged = end;  // the device writes nothing of a choice: as `ask` logs it
  if (!by_server) logged.usage.completion_tokens = 0;
  entry.finish(logged);
  auto about = head(request);
  about.log_probs = false;  // a choice is scored as a whole
  const auto& text = request.guided_choice[index];
  ServerResponse response{.headers = entry.headers()};
  if (!request.stream) {
    response.body = whole_answer(about, text, {}, "stop", end.usage);
    return response;
  }
  response.stream = [about, text, usage = end.usage,
                     with_usage = request.include_usage](const SendEvent& send) {
    GeneratedToken all;
    all.text = text;
    if (about.chat && !send(role_chunk(about))) return;
    if (!send(piece_chunk(about, all, 0))) return;
    if (!send(finish_chunk(about, "stop"))) return;
    if (with_usage && !send(usage_chunk(about, usage))) return;
    send("[DONE]");
  };
  return response;
}

}  // namespace crayon::server
