// TypeList and Field: a list of types to loop over, and a struct's members by name.
#pragma once

#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace pyneuro {

template <class... Ts> struct TypeList { static constexpr int size = sizeof...(Ts); };

template <class... Lists> struct Concat;
template <class... Ts> struct Concat<TypeList<Ts...>> { using type = TypeList<Ts...>; };
template <class... As, class... Bs, class... Rest>
struct Concat<TypeList<As...>, TypeList<Bs...>, Rest...> {
  using type = typename Concat<TypeList<As..., Bs...>, Rest...>::type;
};

template <class T, class List> struct IndexOf;
template <class T, class... Ts>
struct IndexOf<T, TypeList<T, Ts...>> : std::integral_constant<int, 0> {};
template <class T, class U, class... Ts>
struct IndexOf<T, TypeList<U, Ts...>>
    : std::integral_constant<int, 1 + IndexOf<T, TypeList<Ts...>>::value> {};

/// Calls f(std::type_identity<T>{}) for each T, in order.
template <class... Ts, class F> constexpr void for_each_type(TypeList<Ts...>, F&& f) {
  (f(std::type_identity<Ts>{}), ...);
}

/// Stands for 'this field must be given'.
struct Required {};

/// A member of an op by name, with its default.
template <class Op, class T, class Default> struct Field {
  std::string_view name;
  T Op::* member;
  Default fallback;
};

template <class Op, class T>
constexpr Field<Op, T, Required> field(std::string_view name, T Op::* member) {
  return {name, member, {}};
}
template <class Op, class T, class D>
constexpr Field<Op, T, D> field(std::string_view name, T Op::* member, D fallback) {
  return {name, member, fallback};
}

}  // namespace pyneuro
