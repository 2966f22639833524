<<<<<<<< HEAD:gateway/console/assets/kept-CcTvNqe1.js
import{U as e}from"./basics-DmXzV49d.js";function t(t,i){let a=`tocsin.draft.${t}`,[o,s]=e(()=>n(a)??i);return[o,e=>{s(e),r(a,e)},()=>sessionStorage.removeItem(a)]}function n(e){try{return JSON.parse(sessionStorage.getItem(e)??`null`)}catch{return null}}function r(e,t){try{t===null?sessionStorage.removeItem(e):sessionStorage.setItem(e,JSON.stringify(t))}catch{sessionStorage.removeItem(e)}}export{t};
========
import{V as e}from"./basics-CG7HUHKw.js";function t(t,i){let a=`tocsin.draft.${t}`,[o,s]=e(()=>n(a)??i);return[o,e=>{s(e),r(a,e)},()=>sessionStorage.removeItem(a)]}function n(e){try{return JSON.parse(sessionStorage.getItem(e)??`null`)}catch{return null}}function r(e,t){try{t===null?sessionStorage.removeItem(e):sessionStorage.setItem(e,JSON.stringify(t))}catch{sessionStorage.removeItem(e)}}export{t};
>>>>>>>> c47fbf1e (console: settings, access and administration):gateway/console/assets/kept-Bfn_hJ7N.js
