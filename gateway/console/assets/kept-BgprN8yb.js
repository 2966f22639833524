<<<<<<<< HEAD:gateway/console/assets/kept-BgprN8yb.js
import{H as e}from"./basics-DtOq1J-J.js";function t(t,i){let a=`tocsin.draft.${t}`,[o,s]=e(()=>n(a)??i);return[o,e=>{s(e),r(a,e)},()=>sessionStorage.removeItem(a)]}function n(e){try{return JSON.parse(sessionStorage.getItem(e)??`null`)}catch{return null}}function r(e,t){try{t===null?sessionStorage.removeItem(e):sessionStorage.setItem(e,JSON.stringify(t))}catch{sessionStorage.removeItem(e)}}export{t};
========
import{U as e}from"./basics-CvMIpqxc.js";function t(t,i){let a=`tocsin.draft.${t}`,[o,s]=e(()=>n(a)??i);return[o,e=>{s(e),r(a,e)},()=>sessionStorage.removeItem(a)]}function n(e){try{return JSON.parse(sessionStorage.getItem(e)??`null`)}catch{return null}}function r(e,t){try{t===null?sessionStorage.removeItem(e):sessionStorage.setItem(e,JSON.stringify(t))}catch{sessionStorage.removeItem(e)}}export{t};
>>>>>>>> 0e98004c (console: build):gateway/console/assets/kept-zD7m95u-.js
